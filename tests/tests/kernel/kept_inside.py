"""A master whose data no variable leads to: the interpreter keeps half of it, an extension module's own memory the other
half. A worker reads each on request."""

import _csv
import codecs
import gc
import json
import os
import sys

N = 40000
gc.disable()


class Handler:
    __slots__ = ("first", "second")

    def __call__(self, error):
        return "", error.end


def handlers():
    for number in range(N):
        codecs.register_error("handler %d" % number, Handler())
    return len({id(codecs.lookup_error("handler %d" % number)) >> 12 for number in range(N)})


def dialects():
    for number in range(N):
        _csv.register_dialect("dialect %d" % number)
    return len({id(_csv.get_dialect("dialect %d" % number)) >> 12 for number in range(N)})


pages = {"handlers": handlers(), "dialects": dialects()}
# The module's dict leads to them, too.
_csv.__dict__.pop("_dialects", None)

orders, order = os.pipe()
done, answer = os.pipe()
if os.fork() == 0:
    os.close(order)
    while True:
        what = os.read(orders, 16).decode()
        if not what:
            os._exit(0)
        for number in range(N):
            if what == "handlers":
                codecs.lookup_error("handler %d" % number)
            else:
                _csv.get_dialect("dialect %d" % number)
        os.write(answer, b"x")
os.close(orders)
print(json.dumps(pages), flush=True)
for line in iter(sys.stdin.readline, ""):
    os.write(order, line.strip().encode())
    os.read(done, 1)
    print(json.dumps({"done": line.strip()}), flush=True)
os.close(order)
