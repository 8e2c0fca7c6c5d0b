"""What the server holds, and what its clients do: 80 % of the commands store a value, 20 % are others.

In one shape, all commands delete.

A shape has a name, the number of keys, a function that gives the command that creates key number i, and one that gives
a command of the load. Values are random bytes, so compressing them gains nothing.
"""

import random
from collections import namedtuple

Shape = namedtuple("Shape", "name keys fill command")


def strings(name, keys, size):
    def fill(number, dice):
        return ("SET", f"key:{number:07}", dice.randbytes(size))

    def command(dice):
        key, chance = f"key:{dice.randrange(keys):07}", dice.random()
        if chance < 0.80:
            return ("SET", key, dice.randbytes(size))
        if chance < 0.90:
            return ("GET", key)
        if chance < 0.95:
            return ("DEL", key)
        return ("INCR", f"counter:{dice.randrange(1000)}")

    return Shape(name, keys, fill, command)


def deletions(name, keys, size):
    """Clients that only delete, each key once: what freeing alone copies."""
    step = 7_919  # No divisor of the number of keys, so the keys come in no order and none twice.

    def command(dice):
        command.number += 1
        return ("DEL", f"key:{command.number * step % keys:07}")

    command.number = 0
    return Shape(name, keys, strings(name, keys, size).fill, command)


def hashes(name, keys, fields, size):
    def fill(number, dice):
        pairs = (word for field in range(fields) for word in (f"f{field:04}", dice.randbytes(size)))
        return ("HSET", f"hash:{number:06}", *pairs)

    def command(dice):
        key, field = f"hash:{dice.randrange(keys):06}", f"f{dice.randrange(fields):04}"
        chance = dice.random()
        if chance < 0.80:
            return ("HSET", key, field, dice.randbytes(size))
        if chance < 0.90:
            return ("HGET", key, field)
        if chance < 0.95:
            return ("HDEL", key, field)
        return ("HINCRBY", key, "counter", 1)

    return Shape(name, keys, fill, command)


def lists(name, keys, length, size):
    def fill(number, dice):
        return ("RPUSH", f"list:{number:06}", *(dice.randbytes(size) for _ in range(length)))

    def command(dice):
        key, chance = f"list:{dice.randrange(keys):06}", dice.random()
        if chance < 0.80:
            # The list stays longer than this: pushes and pops are equally frequent.
            return ("LSET", key, dice.randrange(length // 2), dice.randbytes(size))
        if chance < 0.90:
            return ("LINDEX", key, dice.randrange(length))
        if chance < 0.95:
            return ("LPUSH", key, dice.randbytes(size))
        return ("RPOP", key)

    return Shape(name, keys, fill, command)


SHAPES = [
    strings("strings of 100 B", 1_000_000, 100),
    strings("strings of 2 KiB", 150_000, 2048),
    strings("strings of 16 KiB", 20_000, 16 << 10),
    deletions("strings of 100 B, only DEL", 1_000_000, 100),
    hashes("hashes of 20 x 40 B (listpack)", 150_000, 20, 40),
    hashes("hashes of 500 x 100 B (hash table)", 3_000, 500, 100),
    lists("lists of 1,000 x 100 B (quicklist)", 2_000, 1_000, 100),
]


def fill(client, shape):
    """Creates the keys, some megabytes of commands at a time."""
    dice = random.Random(1)
    some = max(1, min(1000, shape.keys // 100))
    for first in range(0, shape.keys, some):
        client.send_all([shape.fill(number, dice) for number in range(first, min(first + some, shape.keys))])


def commands(shape, seed):
    dice = random.Random(seed)
    while True:
        yield shape.command(dice)
