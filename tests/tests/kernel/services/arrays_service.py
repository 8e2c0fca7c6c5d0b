"""A prefork service that holds the same numbers as an array and as objects: obeys array, objects."""

import json
import os
import sys

import numpy

array = numpy.arange(4_000_000, dtype=numpy.float64)
objects = array[:500_000].tolist()


def read_array():
    return array.sum()


def read_objects():
    total = 0.0
    for number in objects:  # objects
        total += number
    return total


ORDERS = {b"a": read_array, b"o": read_objects}


def work(orders, answers):
    while (order := os.read(orders, 1)) in ORDERS:
        ORDERS[order]()
        os.write(answers, b".")
    os._exit(0)


def say(**values):
    print(json.dumps(values), flush=True)


def main():
    down, up = os.pipe(), os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(down[1])
        work(down[0], up[1])
    say(worker=worker, start=array.ctypes.data, end=array.ctypes.data + array.nbytes)
    for line in sys.stdin:
        command = line.strip()
        os.write(down[1], command[:1].encode())
        os.read(up[0], 1)
        say(done=command)
    os.close(down[1])
    os.waitpid(worker, 0)


main()
