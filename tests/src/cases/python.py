"""A service whose worker reads every title and has the collector look at every record, when it is told to."""

import gc
import json
import os
import sys

gc.disable()
COUNT = 12_000


class Record:
    # With the headers 256 bytes, which hardly any other object has: pages have objects of one size.
    __slots__ = tuple("value%d" % number for number in range(28))


titles = ["title %d of all that there are" % number for number in range(COUNT)]
records = [Record() for _ in range(COUNT // 2)]


def pages(addresses):
    return len({address >> 12 for address in addresses})


def read_titles():
    for title in titles:  # titles
        pass


def collect():
    gc.collect()  # collect


def work(orders, done):
    os.read(orders, 1)
    read_titles()
    collect()
    os.write(done, b"x")
    os.read(orders, 1)
    os._exit(0)


def main():
    orders, order = os.pipe()
    done, answer = os.pipe()
    # The collector's header lies in front of each record.
    known = {"titles": pages(map(id, titles)), "records": pages(id(it) - 16 for it in records)}
    if os.fork() == 0:
        work(orders, answer)
    print(json.dumps(known), flush=True)
    for _ in sys.stdin:
        os.write(order, b"x")
        os.read(done, 1)
        print(json.dumps({"done": True}), flush=True)
    os.write(order, b"x")
    os.wait()


main()
