"""A WSGI application that is loaded before the workers are forked; each answers with its process id."""

import os
from urllib.parse import parse_qs

import pages

titles = pages.titles()


class Corpus:
    sentences = pages.sentences()


pages.tell(titles, Corpus.sentences)


def find(first):
    for number in range(first, first + 10_000):
        title = titles[number]  # look-up
        if not title:
            raise KeyError(number)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/titles":
        pages.read_titles(titles)
    elif path == "/sentences":
        pages.read_sentences(Corpus.sentences)
    elif path != "/ready":
        find(int(parse_qs(environ["QUERY_STRING"])["first"][0]))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
