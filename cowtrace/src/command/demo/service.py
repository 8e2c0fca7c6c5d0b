"""A prefork service: the master loads a dict of titles, the workers look titles up.

Arguments: workers, MiB to load, seconds of load. Standard library only.
"""

import os
import random
import sys
import time

workers, megabytes, seconds = map(int, sys.argv[1:4])


def load(megabytes):
    # About 180 bytes an entry: an int, a str, and their place in the dict.
    return {number: f"title of article {number}, as the master loaded it" for number in range(megabytes * 5800)}


class Handler:
    def __init__(self, id_title):
        self.id_title = id_title

    def get(self, number):
        title = self.id_title[number]
        return title


def serve(handler, seed, ends):
    choose = random.Random(seed).randrange
    count = len(handler.id_title)
    while time.monotonic() < ends:
        # Requests come over the time given, not all at once.
        for _ in range(count // 200):
            handler.get(choose(count))
        time.sleep(0.01)


id_title = load(megabytes)
handler = Handler(id_title)
ends = time.monotonic() + seconds
children = []
for seed in range(workers):
    child = os.fork()
    if child == 0:
        serve(handler, seed, ends)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
os._exit(0)
