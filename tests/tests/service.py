"""A prefork service that obeys lines: read, collect, read-master, end."""

import gc
import json
import os
import sys

titles = {number: f"title of article {number}" for number in range(150_000)}
sentences = [[f"sentence {number}.{part}" for part in range(3)] for number in range(50_000)]


def read():
    for title in titles.values():
        pass
    for parts in sentences:
        for part in parts:
            pass


def say(**values):
    print(json.dumps(values), flush=True)


workers = []
for _ in range(2):
    down, up = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        # Nothing of the master's must keep the pipes open.
        os.close(down[1])
        os.close(up[0])
        while (order := os.read(down[0], 1)) in (b"r", b"c"):
            read() if order == b"r" else gc.collect()
            os.write(up[1], b".")
        os._exit(0)
    os.close(down[0])
    os.close(up[1])
    workers.append((pid, down[1], up[0]))

say(workers=[pid for pid, _, _ in workers])
for line in sys.stdin:
    command = line.strip()
    if command in ("read", "collect"):
        for _, down, _ in workers:
            os.write(down, command[:1].encode())
        for _, _, up in workers:
            os.read(up, 1)
    elif command == "read-master":
        read()
    elif command == "end":
        for pid, down, _ in workers:
            os.write(down, b"e")
            os.waitpid(pid, 0)
    say(done=command)
os._exit(0)
