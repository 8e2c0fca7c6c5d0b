"""A prefork service: the master loads titles and comments, the workers look titles up. When they are
done it stays, as services do, until it is told to end.

Arguments: workers, MiB to load, seconds of load, and 1 to freeze the collector's objects before the
forks (else 0). Standard library only.
"""

import gc
import os
import random
import signal
import sys
import time

workers, megabytes, seconds, freeze = map(int, sys.argv[1:5])


class Comment:
    __slots__ = ("article", "likes")

    def __init__(self, article):
        self.article = article
        self.likes = 0


def load_titles(megabytes):
    # About 180 bytes per entry: an int, a str, and their place in the dict. The collector tracks none of them.
    return {number: f"title of article {number}, as the master loaded it" for number in range(megabytes * 5800)}


def load_comments(megabytes):
    # About 56 bytes each: the object with the collector's header, and its place in the list.
    return [Comment(None) for _ in range(megabytes * 18700)]


class Handler:
    def __init__(self, id_title):
        self.id_title = id_title

    def get(self, number):
        title = self.id_title[number]
        return title


def serve(handler, seed, ends, master):
    choose = random.Random(seed).randrange
    count = len(handler.id_title)
    collects = time.monotonic()
    while time.monotonic() < ends and os.getppid() == master:
        # Requests are spread over the given time, not made all at once.
        for _ in range(count // 200):
            handler.get(choose(count))
        if time.monotonic() >= collects:
            # No request reads the comments, but the collector visits them all.
            gc.collect()
            collects += 1
        time.sleep(0.01)


# Ctrl-C is meant for the starting process, which ends the master, and that ends its workers.
signal.signal(signal.SIGINT, signal.SIG_IGN)
starter = os.getppid()
# Loading makes no garbage.
gc.disable()
id_title = load_titles(megabytes * 3 // 4)
comments = load_comments(megabytes // 4)
gc.enable()
if freeze:
    gc.freeze()
handler = Handler(id_title)
ends = time.monotonic() + seconds
master = os.getpid()
children = []
for seed in range(workers):
    child = os.fork()
    if child == 0:
        serve(handler, seed, ends, master)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
while os.getppid() == starter:
    time.sleep(0.05)
os._exit(0)
