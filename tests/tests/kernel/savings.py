# A master with data that lies in known ways on the same pages, and two workers that read some of it on request.
# Arguments: a case; what is moved out of the heap, into one bytes object; `freeze` for the collector, `late` in the workers.

import gc
import json
import os
import sys

N = 60000
WORKERS = 2
case, moved = sys.argv[1], sys.argv[2:]
gc.disable()


def packed(texts):
    return "".join(texts).encode()


# Each row has a text in every column: every page has texts of all.
columns = {}
if case == "columns":
    columns = {name: [] for name in ("name", "city", "mail") if name not in moved}
    for i in range(N):
        for name in columns:
            columns[name].append("a %s of number %07d" % (name, i))
    for name in moved:
        columns[name] = packed("a %s of number %07d" % (name, i) for i in range(N))

# Names are read, and notes are not, which also lie on pages of their own.
names, notes = [], []
if case == "cold":
    for i in range(N):
        if "names" not in moved:
            names.append("the name of number %07d" % i)
        notes.append("some note of number %07d" % i)
    if "names" in moved:
        names = packed("the name of number %07d" % i for i in range(N))
    notes.extend("another note of number %07d" % i for i in range(N // 2))

# Numbers without reference counts, and texts with.
numbers = b""
if case == "numbers":
    numbers = bytearray(b"x") * (16 << 20)
    names = ["the name of number %07d" % i for i in range(N)]

# One after the other: each has its own pages.
first, second = [], []
if case == "apart":
    if "first" in moved:
        first = packed("first of number %07d" % i for i in range(N))
    else:
        first = ["first of number %07d" % i for i in range(N)]
    second = ["second of number %07d" % i for i in range(N)]

# Row by row again, in dicts of a dict of a dict.
data = {"shop": {"titles": {}, "prices": {}}}
if case == "nested":
    shop = data["shop"]
    for i in range(N):
        if "titles" not in moved:
            shop["titles"]["title %d" % i] = "the title of article %07d" % i
        shop["prices"]["price %d" % i] = "the price of article %07d" % i
    if "titles" in moved:
        shop["titles"] = packed("the title of article %07d" % i for i in range(N))
    del shop


class Comment:
    __slots__ = ("text",)

    def __init__(self, text):
        self.text = text


# The collector looks at comments; their texts are strings, at which it does not look.
comments = []
if case in ("collected", "collected and read"):
    comments = [Comment("the text of comment %07d" % i) for i in range(N)]
gc.enable()
if "freeze" in moved:
    gc.freeze()


def read():
    for column in columns.values():
        for value in column:
            pass
    for values in (names, first, second):
        for value in values:
            pass
    shop = data["shop"]
    if "titles" not in moved:
        for value in shop["titles"].values():
            pass
    for value in shop["prices"].values():
        pass
    if comments:
        gc.collect()
    if case == "collected and read":
        for comment in comments:
            text = comment.text


def work(orders, done):
    if "late" in moved:
        gc.freeze()
    for line in os.fdopen(orders):
        read()
        os.write(done, b"x")
    os._exit(0)


workers = []
for _ in range(WORKERS):
    orders, order = os.pipe()
    done, answer = os.pipe()
    if os.fork() == 0:
        os.close(order)
        work(orders, answer)
    workers.append((order, done))
print(json.dumps({"ready": case}), flush=True)
for line in sys.stdin:
    if line == "end\n":
        break
    for order, done in workers:
        os.write(order, line.encode())
        os.read(done, 1)
    print(json.dumps({"done": line.strip()}), flush=True)
