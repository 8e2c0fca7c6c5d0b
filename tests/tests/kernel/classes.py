# A master with objects of classes that modules created in different ways, and a worker that reads
# them all on request.

import gc
import json
import os
import sys
import types
from collections import namedtuple
from fractions import Fraction

N = 40000
# A collection between the fork and the trace would copy pages before they are counted.
gc.disable()

rows = types.ModuleType("rows")
exec("class Row:\n    __slots__ = ('a', 'b')\n", rows.__dict__)


class Cell:
    __slots__ = ("a", "b")


Point = namedtuple("Point", "x y")

data = {
    "rows.Row": [rows.Row() for _ in range(N)],
    "__main__.Cell": [Cell() for _ in range(N)],
    "__main__.Point": [Point(None, None) for _ in range(N)],
    "fractions.Fraction": [Fraction(1, 3) for _ in range(N)],
}
pages = {name: len({id(it) >> 12 for it in them}) for name, them in data.items()}

orders, order = os.pipe()
done, answer = os.pipe()
if os.fork() == 0:
    os.close(order)
    while os.read(orders, 1):
        for them in data.values():
            for it in them:
                pass
        os.write(answer, b"x")
    os._exit(0)
os.close(orders)
print(json.dumps(pages), flush=True)
for line in iter(sys.stdin.readline, ""):
    os.write(order, b"x")
    os.read(done, 1)
    print(json.dumps({"done": line.strip()}), flush=True)
os.close(order)
