"""A master with three interpreters, each with data of its own, and a worker that has all of them, as uWSGI has for
several applications: it is forked without the hooks of os.fork, which leave only the main interpreter. The worker
reads on request: main, older, newer."""

import ctypes
import json
import os
import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

N = 60000
CODE = """
import os

titles = ["title %%d of {0}" %% i for i in range(%d)]


def scan_{0}():
    for title in titles:
        pass


os.write({1}, str(len({{id(it) >> 12 for it in titles}})).encode())
""" % N
titles = ["title %d of main" % i for i in range(N)]


def scan_main():
    for title in titles:  # main
        pass


def new_interpreter():
    if sys.version_info >= (3, 13):
        return interpreters.create("legacy")
    if sys.version_info >= (3, 12):
        return interpreters.create(isolated=False)
    return interpreters.create()


def main():
    told, tell = os.pipe()
    pages = {"main": len({id(it) >> 12 for it in titles})}
    others = {}
    for name in ("older", "newer"):
        others[name] = new_interpreter()
        interpreters.run_string(others[name], CODE.format(name, tell))
        pages[name] = int(os.read(told, 16))
    down, up = os.pipe(), os.pipe()
    if ctypes.PyDLL(None).fork() == 0:
        while True:
            order = os.read(down[0], 8).decode()
            if order == "end":
                os._exit(0)
            if order == "main":
                scan_main()
            else:
                interpreters.run_string(others[order], f"scan_{order}()")
            os.write(up[1], b".")
    print(json.dumps(pages), flush=True)
    for line in sys.stdin:
        order = line.strip()
        os.write(down[1], order.encode())
        if order == "end":
            break
        os.read(up[0], 1)
        print(json.dumps({"done": order}), flush=True)


main()
