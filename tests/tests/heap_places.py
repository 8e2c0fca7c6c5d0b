"""Data in many places, each a list or memory of its own: says the paths by which it should be found."""

import asyncio
import json
import mmap
import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

N = 20000


def texts(of):
    return ["%s %d" % (of, i) for i in range(N)]


class Slotted:
    __slots__ = ("rows", "others")


class Registry:
    known = texts("attribute of a class")


data = texts("main")
slotted = Slotted()
slotted.rows = texts("slot")
mapped = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
mapped.write(b"x" * (4 << 20))
paths = ["__main__.data", "__main__.slotted.rows", "__main__.mapped", "__main__.Registry.known"]
if sys.version_info >= (3, 10):
    from dataclasses import dataclass

    @dataclass(slots=True)
    class Row:
        rows: list

    row = Row(texts("dataclass"))
    paths.append("__main__.row.rows")

CODE = """
import sys, types
data = ["interpreter %d" % i for i in range({0})]
shop = types.ModuleType("shop")
shop.__file__ = "/srv/shop.py"
shop.goods = ["goods %d" % i for i in range({0})]
sys.modules["shop"] = shop
""".format(N)


def legacy():
    if sys.version_info >= (3, 13):
        return interpreters.create("legacy")
    if sys.version_info >= (3, 12):
        return interpreters.create(isolated=False)
    return interpreters.create()


# It lives as long as its number. Modules of another name need no number.
other = legacy()
interpreters.run_string(other, CODE)
paths += ["interpreter 1: __main__.data", "shop.goods"]


async def sleeps():
    request = texts("task")
    await asyncio.sleep(600)
    return request


async def waits(future):
    reply = texts("waiting task")
    await future
    return reply


async def main():
    future = asyncio.get_running_loop().create_future()
    tasks = [asyncio.ensure_future(sleeps()), asyncio.ensure_future(waits(future))]
    await asyncio.sleep(0.1)
    print(json.dumps(paths + ["sleeps() local request", "waits() local reply"]), flush=True)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    return tasks


asyncio.run(main())
