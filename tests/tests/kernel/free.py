# A master that made many objects of one size, and kept all of them or one in 30. Its workers read other
# data that it keeps, and make new objects of that size, on request.

import json
import os
import sys

WORKERS = 2
KEEPS = {"all": 1, "few": 30}[sys.argv[1]]
SIZE = int(sys.argv[2])
NEW = int(sys.argv[3])
made = [bytes([i % 250]) * SIZE for i in range(45000000 // SIZE)]
kept = made[::KEEPS]
del made
titles = ["title %d of all" % i for i in range(150000)]
of_titles = len({id(it) >> 12 for it in titles})


def work(orders, done):
    answers = []
    for line in os.fdopen(orders):
        if line == "read\n":
            for it in titles:
                pass
        elif line == "make\n":
            answers.append([bytes([7]) * SIZE for _ in range(NEW)])
        else:
            os._exit(0)
        os.write(done, b"x")


workers = []
for _ in range(WORKERS):
    orders, order = os.pipe()
    done, answer = os.pipe()
    if os.fork() == 0:
        work(orders, answer)
    workers.append((order, done))
print(json.dumps({"titles": of_titles}), flush=True)
for line in sys.stdin:
    if line == "end\n":
        break
    for order, done in workers:
        os.write(order, line.encode())
        os.read(done, 1)
    print(json.dumps({"done": line.strip()}), flush=True)
for order, _ in workers:
    os.write(order, b"end\n")
