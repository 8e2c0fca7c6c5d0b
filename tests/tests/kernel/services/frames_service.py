"""A prefork service that holds objects in arrays and in DataFrames: its worker obeys array, name, rows, series."""

import json
import os
import sys

import numpy
import pandas

N = 60000
# What is not an object comes first, and is no reason not to look at the rest.
array = numpy.array([None] * 100 + ["object %d" % n for n in range(N)], dtype=object)
frame = pandas.DataFrame(
    {
        "id": range(N),
        "name": ["name %d" % n for n in range(N)],
        "price": [n * 1.5 for n in range(N)],
        "city": ["city %d" % n for n in range(N)],
    }
)
series = pandas.Series(["of a series %d" % n for n in range(N)])
# Made row by row: the items of both columns alternate.
pairs = [["row %d" % n, "place %d" % n] for n in range(N)]
rows = pandas.DataFrame(numpy.array(pairs, dtype=object), columns=["row", "place"])
del pairs


def in_rows():
    return rows.to_numpy().ravel()


def read(objects):
    for one in objects.tolist():
        pass


ORDERS = {
    b"a": lambda: read(array),
    b"n": lambda: read(frame["name"]),
    b"r": lambda: read(in_rows()),
    b"s": lambda: read(series),
}


def work(orders, answers):
    while (order := os.read(orders, 1)) in ORDERS:
        ORDERS[order]()
        os.write(answers, b".")
    os._exit(0)


def pages(objects):
    return len({id(one) >> 12 for one in objects.tolist()})


def say(**values):
    print(json.dumps(values), flush=True)


def main():
    known = dict(array=pages(array), name=pages(frame["name"]), series=pages(series))
    known["rows"] = pages(in_rows())
    down, up = os.pipe(), os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(down[1])
        work(down[0], up[1])
    say(**known)
    for line in sys.stdin:
        command = line.strip()
        os.write(down[1], command[:1].encode())
        os.read(up[0], 1)
        say(done=command)
    os.close(down[1])
    os.waitpid(worker, 0)


main()
