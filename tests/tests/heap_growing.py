"""A container of the kind in the arguments grows as fast as it can, up to a bound: each line of input asks for its
length. It ends with its input."""
import collections, json, os, sys, threading, time

KIND = sys.argv[1]
BEFORE, MOST = 200_000, 2_000_000


class Item:
    __slots__ = ("number",)


kept = {
    "list": list,
    "dict": dict,
    "set": set,
    "deque": collections.deque,
    "ordered": collections.OrderedDict,
    "window": lambda: collections.deque(maxlen=BEFORE),
}[KIND]()
add = {
    "list": lambda number: kept.append(Item()),
    "dict": lambda number: kept.__setitem__(number, Item()),
    "set": lambda number: kept.add(Item()),
    "deque": lambda number: kept.append(Item()),
    "ordered": lambda number: kept.__setitem__(number, Item()),
    "window": lambda number: kept.append(Item()),
}[KIND]


def answer():
    for line in sys.stdin:
        print(json.dumps(len(kept)), flush=True)
    os._exit(0)


for number in range(BEFORE):
    add(number)
threading.Thread(target=answer, daemon=True).start()
print(json.dumps(len(kept)), flush=True)
for number in range(BEFORE, MOST):
    add(number)
while True:
    time.sleep(60)
