"""One of two applications of a uWSGI, which gives each an interpreter of its own. Its data is loaded before the
workers are forked; each answers with its process id."""

import os

goods = {number: f"good number {number} with a name" for number in range(200_000)}
with open(os.environ["PAGES_OF_GOODS"], "w") as file:
    file.write(str(len({id(it) >> 12 for item in goods.items() for it in item})))


def price(first):
    for number in range(first, first + 10_000):
        if not goods[number]:  # look-up
            raise KeyError(number)


def application(environ, start_response):
    first = environ["QUERY_STRING"].removeprefix("first=")
    if first:
        price(int(first))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
