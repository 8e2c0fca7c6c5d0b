"""A prefork service that obeys lines: read, look-up, dump, collect, allocate, read-master, end.

With the argument "frozen" its master calls gc.freeze() before it forks.
"""

import gc
import json
import os
import sys

titles = {number: f"title of article {number}" for number in range(150_000)}
sentences = [[f"sentence {number}.{part}" for part in range(3)] for number in range(50_000)]


def read():
    for title in titles.values():
        pass
    for parts in sentences:
        for part in parts:
            pass


def look_up():
    for number in range(0, len(titles), 7):
        titles[number]


def dump():
    json.dumps(titles)
    json.dumps(sentences)


def allocate():
    # Enough to make the collector visit all objects.
    kept = [[] for _ in range(600_000)]
    del kept


ORDERS = {
    "read": read,
    "look-up": look_up,
    "dump": dump,
    "collect": gc.collect,
    "allocate": allocate,
}


def say(**values):
    print(json.dumps(values), flush=True)


if "frozen" in sys.argv:
    gc.freeze()

workers = []
for _ in range(2):
    down, up = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        # The worker must not keep the master's pipes open.
        os.close(down[1])
        os.close(up[0])
        while (order := os.read(down[0], 100).decode()) in ORDERS:
            ORDERS[order]()
            os.write(up[1], b".")
        os._exit(0)
    os.close(down[0])
    os.close(up[1])
    workers.append((pid, down[1], up[0]))

say(workers=[pid for pid, _, _ in workers])
for line in sys.stdin:
    command = line.strip()
    if command in ORDERS:
        for _, down, _ in workers:
            os.write(down, command.encode())
        for _, _, up in workers:
            os.read(up, 1)
    elif command == "read-master":
        read()
    elif command == "end":
        for pid, down, _ in workers:
            os.write(down, b"e")
            os.waitpid(pid, 0)
    say(done=command)
os._exit(0)
