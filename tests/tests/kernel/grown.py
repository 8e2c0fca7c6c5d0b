# A service whose workers keep, free or lose memory in one way: `grown.py WAY MIB`. The master prints its
# workers' pids and stays until its input ends. On the first line of input each worker does it in steps; the
# master then prints what they know of it.
#
#   cycles     objects that refer to themselves, each with bytes; the collector is off
#   lists      lists that contain themselves; the collector is off
#   cache      a dict that fills
#   mixed      a third each: a cache, a list, cycles; between them short-lived objects
#   few        objects of which all but one in 40 are freed again
#   native     blocks of the C library
#   requests   many objects that live no longer than a request
#   collected  cycles, with the collector on

import ctypes
import gc
import json
import os
import sys
import time

MIB = 1 << 20
WORKERS = 2
STEPS = 40
way, mib = sys.argv[1], int(sys.argv[2])
titles = ["title %d" % number for number in range(200000)]


class Node:
    def __init__(self, number):
        self.me = self
        self.data = b"%-400d" % number


keep_list = []
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
allocated = []


def serve_request():
    json.dumps([{"number": number, "text": "%-50d" % number} for number in range(3000)])


def lose(amount):
    for number in range(amount // 700):
        Node(number)
    return amount // 700


def lose_lists(amount):
    for number in range(amount // 160):
        ring = ["%-40d" % number]
        ring.append(ring)
    return amount // 160


def fill(cache, amount):
    for number in range(amount // 620):
        cache[len(cache)] = [b"%-400d" % number]


def keep(amount):
    for number in range(amount // 500):
        keep_list.append(b"%-400d" % number)


def native(amount):
    for number in range(amount // 608):
        block = libc.malloc(600)
        libc.memset(block, 1, 600)


def work(go, say):
    cache, lost = {}, 0
    if way in ("cycles", "lists", "mixed"):
        gc.disable()
    say({"pid": os.getpid()})
    os.read(go, 1)
    step = mib * MIB // STEPS
    if way == "few":
        many = [b"%-100d" % number for number in range(mib * MIB // 150)]
        keep_list.extend(many[::40])
        del many
    for number in range(STEPS):
        if way == "cycles":
            lost += lose(step)
        elif way == "lists":
            lost += lose_lists(step)
        elif way == "cache":
            fill(cache, step)
        elif way == "mixed":
            fill(cache, step // 3)
            keep(step // 3)
            lost += lose(step // 3)
            serve_request()
        elif way == "native":
            native(step)
        elif way == "requests":
            serve_request()
        elif way == "collected":
            lose(step)
        time.sleep(0.05)
    say({"pid": os.getpid(), "cache": len(cache), "kept": len(keep_list), "lost": lost})
    os.read(go, 1)


def start():
    reading, writing = os.pipe()
    heard, said = os.pipe()

    def say(what):
        os.write(said, json.dumps(what).encode() + b"\n")

    pid = os.fork()
    if pid == 0:
        # Each end of the master's other pipes is closed, so that a worker ends with its master.
        os.close(writing)
        os.close(heard)
        work(reading, say)
        os._exit(0)
    os.close(reading)
    os.close(said)
    return writing, os.fdopen(heard)


if __name__ == "__main__":
    workers = [start() for _ in range(WORKERS)]

    def answers():
        print(json.dumps([json.loads(heard.readline()) for _, heard in workers]), flush=True)

    answers()
    for line in sys.stdin:
        for go, _ in workers:
            os.write(go, b"x")
        answers()
    for go, _ in workers:
        os.close(go)
