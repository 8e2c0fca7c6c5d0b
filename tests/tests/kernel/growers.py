"""A prefork service whose worker grows by three functions, of which the sizes are known: obeys grow, end."""

import ctypes
import json
import os
import random
import sys

# PR_SET_THP_DISABLE: a huge page would be one touch of 512 pages.
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)

# Not a constant: the compiler would make one object of all.
SIZE = 4000
ROUNDS = 48_000

kept = []


def most():
    kept.append(b"a" * SIZE)  # most


def some():
    kept.append(b"b" * SIZE)  # some


def few():
    kept.append(b"c" * SIZE)  # few


def grow():
    functions = ([most] * 58 + [some] * 34 + [few] * 8) * (ROUNDS // 100)
    random.Random(1).shuffle(functions)
    for function in functions:
        function()


def work(orders, answers):
    while os.read(orders, 2) == b"gr":
        grow()
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
    say(worker=worker)
    for line in sys.stdin:
        command = line.strip()
        os.write(down[1], command[:2].encode())
        if command == "end":
            break
        os.read(up[0], 1)
        say(done=command)
    os.close(down[1])
    os.waitpid(worker, 0)


main()
