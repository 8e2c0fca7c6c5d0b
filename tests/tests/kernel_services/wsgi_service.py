"""A WSGI application that is loaded before the workers are forked; each answers with its process id."""

import os
from urllib.parse import parse_qs

titles = {number: f"title of article {number}" for number in range(800_000)}


def find(first):
    for number in range(first, first + 10_000):
        title = titles[number]  # look-up
        if not title:
            raise KeyError(number)


def application(environ, start_response):
    find(int(parse_qs(environ["QUERY_STRING"])["first"][0]))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
