"""A Tornado service that forks its workers; each answers on one socket with its process id."""

import asyncio
import gc
import os
import sys

import pages
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.process import fork_processes
from tornado.web import Application, RequestHandler

titles = pages.titles()


class Articles(RequestHandler):
    def get(self):
        first = int(self.get_argument("first"))
        for number in range(first, first + 10_000):
            title = titles[number]  # look-up
            if not title:
                self.send_error(404)
        self.write(str(os.getpid()))


class Ready(RequestHandler):
    def get(self):
        self.write(str(os.getpid()))


class Leaks(RequestHandler):
    def get(self):
        gc.disable()
        for number in range(100):
            ring = [f"{number} of a ring"]
            ring.append(ring)
        self.write(str(os.getpid()))


class Titles(RequestHandler):
    def get(self):
        pages.read_titles(titles)
        self.write(str(os.getpid()))


class Sentences(RequestHandler):
    def initialize(self, sentences):
        self.sentences = sentences

    def get(self):
        pages.read_sentences(self.sentences)
        self.write(str(os.getpid()))


async def serve(sockets, sentences):
    data = {"sentences": sentences}
    handlers = [("/", Articles), ("/ready", Ready), ("/titles", Titles), ("/leaks", Leaks)]
    server = HTTPServer(Application([*handlers, ("/sentences", Sentences, data)]))
    server.add_sockets(sockets)
    await asyncio.Event().wait()


def main():
    sentences = pages.sentences()
    pages.tell(titles, sentences)
    sockets = [bind_unix_socket(sys.argv[1])]
    fork_processes(int(sys.argv[2]))
    asyncio.run(serve(sockets, sentences))


if __name__ == "__main__":
    main()
