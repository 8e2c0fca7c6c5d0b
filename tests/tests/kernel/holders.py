# A master with data in two variables, and a third that holds part of the first one's data too. Its
# workers read on request. The pages that this copies are known: those of the objects read, unless
# they were read before.

import json
import os
import sys

N = 150000
WORKERS = 2
titles = ["title %d of all" % i for i in range(N)]


class Catalogue:
    pass


catalogue = Catalogue()
catalogue.by_title = {i + 10**6: "entry %d" % i for i in range(N)}
catalogue.favourites = {"some": titles[: N // 2]}


def pages(objects):
    return {id(it) >> 12 for it in objects}


def read(what, words):
    if what == "words":
        for row in words:
            for word in row:
                pass
    else:
        for it in titles:
            pass


def work(orders, done, words):
    for line in os.fdopen(orders):
        if line.strip() == "end":
            os._exit(0)
        read(line.strip(), words)
        os.write(done, b"x")


def main():
    words = [["word %d %d" % (i, j) for j in range(4)] for i in range(N // 4)]
    of_words = pages(words) | pages(word for row in words for word in row)
    of_titles = pages(titles)
    workers = []
    for _ in range(WORKERS):
        orders, order = os.pipe()
        done, answer = os.pipe()
        if os.fork() == 0:
            work(orders, answer, words)
        workers.append((order, done))
    print(json.dumps({"words": len(of_words), "titles": len(of_titles - of_words)}), flush=True)
    for line in sys.stdin:
        if line == "end\n":
            break
        for order, done in workers:
            os.write(order, line.encode())
            os.read(done, 1)
        print(json.dumps({"done": line.strip()}), flush=True)
    for order, _ in workers:
        os.write(order, b"end\n")
    # Only this function holds the words.
    return words


main()
