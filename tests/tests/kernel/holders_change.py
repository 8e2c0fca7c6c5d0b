# A master that replaces its data between its forks: the first worker has titles, the second words,
# in the same memory. Each reads its data on request; the pages that this copies are known.

import json
import os
import sys

N = 150000
titles = ["title %d of all" % i for i in range(N)]
words = []


def pages(objects):
    return len({id(it) >> 12 for it in objects})


def work(orders, done, name):
    while os.read(orders, 1):
        for it in globals()[name]:
            pass
        os.write(done, b"x")
    # It stays even if its master has exited or wants it to exit, until its input ends.
    sys.stdin.read()
    os._exit(0)


def start(name):
    # Computed before the fork, since this writes reference counts too.
    count = pages(globals()[name])
    orders, order = os.pipe()
    done, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(order)
        work(orders, answer, name)
    os.close(orders)
    say(pages=count, pid=pid)
    return pid, order, done


def say(**what):
    print(json.dumps(what), flush=True)


workers = [start("titles")]
for line in iter(sys.stdin.readline, ""):
    if line == "read\n":
        _, order, done = workers[-1]
        os.write(order, b"x")
        os.read(done, 1)
        say(done="read")
    elif line == "replace\n":
        titles.clear()
        words.extend("word %d of them" % i for i in range(N))
        workers.append(start("words"))
    elif line == "end the first\n":
        os.kill(workers[0][0], 9)
        os.waitpid(workers[0][0], 0)
        say(done="end the first")
    elif line == "leave\n":
        say(done="leave")
        os._exit(0)
for pid, order, _ in workers:
    os.close(order)
