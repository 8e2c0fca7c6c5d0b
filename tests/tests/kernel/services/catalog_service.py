"""A WSGI application whose workers come and go: each reads some of a catalogue that the master loaded.
Nothing else has objects of the catalogue's type, so what was copied of it is known by that, too."""

import os
import random


class Item:
    __slots__ = ("price", "stock")

    def __init__(self, number):
        # Small ints, which are shared objects.
        self.price = number % 200
        self.stock = number % 7


CATALOG = [Item(number) for number in range(300_000)]


def application(environ, start_response):
    if environ["PATH_INFO"] != "/ready":
        first = random.randrange(len(CATALOG) - 10_000)
        sum(CATALOG[number].price for number in range(first, first + 10_000))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
