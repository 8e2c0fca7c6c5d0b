# Objects whose numbers and sizes are known, some of them in cycles that nothing holds. Prints both,
# then waits.

import gc
import json
import sys

gc.collect()
gc.disable()


class Record(dict):
    pass


class Word(str):
    pass


class Listed(list):
    pass


class Slotted:
    __slots__ = ("a", "b")


class LostWord(str):
    pass


class Loop:
    def __init__(self, i):
        self.me = self
        self.word = LostWord("lost word %d" % i)


class Ring(list):
    pass


records = [Record(number=i) for i in range(100000)]
words = [Word("word %d" % i) for i in range(50000)]
listed = {i: Listed([i, i + 1]) for i in range(20000)}
slotted = tuple(Slotted() for _ in range(30000))
plain = [[i] for i in range(40000)]
blob = bytearray(24 << 20)
text = "x" * (3 << 20)


def truth():
    planted = {
        "__main__.Record": records,
        "__main__.Word": words,
        "__main__.Listed": listed.values(),
        "__main__.Slotted": slotted,
        "bytearray": [blob],
    }
    found = {
        name: [len(objects), sum(map(sys.getsizeof, objects))]
        for name, objects in planted.items()
    }
    # What getsizeof says of an instance leaves out its attributes in some versions.
    found["__main__.Loop"] = [30000, None]
    found["__main__.LostWord"] = [30000, None]
    found["__main__.Ring"] = [20000, None]
    return {"planted": found, "lists": sum(type(it) is list for it in gc.get_objects())}


def lose():
    for i in range(30000):
        Loop(i)
    for _ in range(10000):
        one, two = Ring(), Ring()
        one.append(two)
        two.append(one)


def main():
    lose()
    print(json.dumps(truth()), flush=True)
    for line in sys.stdin:
        if line == "collect\n":
            gc.collect()
        if line == "grow\n":
            records.extend(Record(number=i) for i in range(5000))
            del words[:1000]
        if line == "enable\n":
            gc.enable()
        print(json.dumps({"done": line.strip()}), flush=True)


main()
