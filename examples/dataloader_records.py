"""The same data set twice: as a list of dicts, and packed into one string of bytes.

Reading an item of the list writes the reference counts of everything in it, so a forked worker copies the pages where
they lie. The packed form has no objects to count: an item is made when it is read, in memory of the worker's own.
"""

import array
import pickle
import random

CATEGORIES = ["car", "person", "bicycle", "dog", "traffic light"]


def made(number, dice):
    """An annotation: an id, a file name, a box of four floats, a category."""
    return {
        "id": number,
        "file": f"train/{number // 1000:04}/{number:09}.jpg",
        "box": [dice.random() * 640 for _ in range(4)],
        "category": dice.choice(CATEGORIES),
    }


def used(item):
    """Reads all of it, as whoever makes tensors of it does."""
    return item["id"] + len(item["file"]) + sum(item["box"]) + len(item["category"])


class Listed:
    """What a data set usually is."""

    def __init__(self, items):
        dice = random.Random(1)
        self.items = [made(number, dice) for number in range(items)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Packed:
    """Each item pickled, one behind the other, and where each begins."""

    def __init__(self, items):
        dice, packed, offsets = random.Random(1), bytearray(), array.array("Q", [0])
        for number in range(items):
            packed += pickle.dumps(made(number, dice), pickle.HIGHEST_PROTOCOL)
            offsets.append(len(packed))
        self.packed, self.offsets = bytes(packed), offsets

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, index):
        # A part of bytes is a copy, which is the worker's own.
        return pickle.loads(self.packed[self.offsets[index] : self.offsets[index + 1]])


FORMS = {"list": Listed, "array": Packed}
