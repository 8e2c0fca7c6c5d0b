# A service of CPython that recycles its workers until its standard input is closed: each reads objects of the
# master's by functions of its own making, so that types, lines and code objects come and go.
import os
import select
import sys
import time


class Row:
    def __init__(self, place):
        self.place = place
        self.name = "row %d" % place


rows = [Row(place) for place in range(40_000)]


def work(generation):
    made = {}
    exec("def read(rows, first):\n" + "\n" * (generation % 50)
         + "    return [row.name for row in rows[first::7]]", made)
    until = time.monotonic() + 0.4
    first = 0
    while time.monotonic() < until:
        made["read"](rows, first % 7)
        first += 1
        time.sleep(0.01)


generation = 0
workers = set()
while not select.select([sys.stdin], [], [], 0)[0]:
    while len(workers) < 2:
        generation += 1
        child = os.fork()
        if child == 0:
            work(generation)
            os._exit(0)
        workers.add(child)
    workers.discard(os.wait()[0])
for _ in workers:
    os.wait()
