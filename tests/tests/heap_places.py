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


class Forgotten:
    known = texts("forgotten class")


data = texts("main")
# Only its object leads to the class.
forgotten = Forgotten()
del Forgotten
slotted = Slotted()
slotted.rows = texts("slot")
mapped = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
mapped.write(b"x" * (4 << 20))
paths = ["__main__.data", "__main__.slotted.rows", "__main__.mapped", "__main__.Registry.known"]
paths.append("__main__.Forgotten.known")
if sys.version_info >= (3, 10):
    from dataclasses import dataclass

    @dataclass(slots=True)
    class Row:
        rows: list

    row = Row(texts("dataclass"))
    paths.append("__main__.row.rows")

try:
    import ctypes
except ImportError:
    pass
else:
    # A type that an extension makes and keeps to itself (PyType_FromSpec), with something that it remembers.
    class Slot(ctypes.Structure):
        _fields_ = [("number", ctypes.c_int), ("function", ctypes.c_void_p)]

    class Spec(ctypes.Structure):
        _fields_ = [
            ("name", ctypes.c_char_p),
            ("basicsize", ctypes.c_int),
            ("itemsize", ctypes.c_int),
            ("flags", ctypes.c_uint),
            ("slots", ctypes.POINTER(Slot)),
        ]

    make = ctypes.pythonapi.PyType_FromSpec
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p]
    spec = Spec(b"extension.Hidden", object.__basicsize__, 0, 0, (Slot * 1)())
    hidden = make(ctypes.addressof(spec))
    hidden.cache = texts("hidden type")
    hidden = hidden()
    paths.append("extension.Hidden.cache")

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
