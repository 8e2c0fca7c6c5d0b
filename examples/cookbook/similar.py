"""Answers which titles are similar: titles and sentences are loaded once, then the workers are forked."""
import random

import tornado.httpserver
import tornado.ioloop
import tornado.netutil
import tornado.process
import tornado.web


def load():
    id_title = {str(number): f"The title of article number {number}" for number in range(400_000)}
    sentence_ids = [[number, number + 1, f"Sentence {number} of a long text"] for number in range(400_000)]
    return id_title, sentence_ids


class SimilarHandler(tornado.web.RequestHandler):
    def initialize(self, id_title, sentence_ids):
        self.id_title = id_title
        self.sentence_ids = sentence_ids

    def get(self):
        first = random.randrange(399_000)
        found = [self.id_title[str(sentence[0])] for sentence in self.sentence_ids[first:first + 500]]
        self.write({"similar": found[:10]})


def main():
    id_title, sentence_ids = load()
    data = {"id_title": id_title, "sentence_ids": sentence_ids}
    sockets = tornado.netutil.bind_sockets(8899, "127.0.0.1")
    tornado.process.fork_processes(4)
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/", SimilarHandler, data)]))
    server.add_sockets(sockets)
    tornado.ioloop.IOLoop.current().start()


main()
