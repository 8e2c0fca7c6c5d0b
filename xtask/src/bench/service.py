# The measured CPython process: for each line of input a child reads inherited objects, one in each page,
# from as many calls deep as the line says, and prints the nanoseconds per page.
import os
import sys
import time

PAGES = int(sys.argv[1])
# An object of 33 + 4055 bytes and malloc's 8 fill a page, so each reference count is in a page of its own.
objects = [bytes(4055) for _ in range(PAGES)]
sys.setrecursionlimit(10_000)


def read():
    for _ in objects:
        pass


def call(depth):
    if depth > 0:
        return call(depth - 1)
    begun = time.thread_time_ns()
    read()
    return time.thread_time_ns() - begun


print("ready", flush=True)
for line in sys.stdin:
    result, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"%d" % call(int(line)))
        os._exit(0)
    os.close(tell)
    took = int(os.read(result, 32))
    os.close(result)
    os.waitpid(child, 0)
    print("%.1f" % (took / PAGES), flush=True)
