#!/usr/bin/env python3
"""Forked workers that read a data set, as PyTorch's DataLoader has them, without PyTorch.

    sudo cowtrace -- python3 dataloader_workers.py list
    sudo cowtrace -- python3 dataloader_workers.py array

Each worker gets the numbers of the items of its batches, in random order, reads the items and answers with a sum. At
the end it prints how much memory each worker has for itself more than before it began to read.

Expect that with `list` each worker copies nearly all of the data, and that cowtrace names the line that reads and the
variable `data.items`; with `array` each worker has a few MiB, whatever the size of the data.
"""

import argparse
import json
import multiprocessing
import random
import sys

from dataloader_records import FORMS, used

BATCH = 64


def own_memory():
    """Bytes that this process shares with nobody (Private_Dirty)."""
    with open("/proc/self/smaps_rollup") as rollup:
        line = next(line for line in rollup if line.startswith("Private_Dirty:"))
    return int(line.split()[1]) << 10


def work(batches, answers):
    """A worker: `data` is the master's, as fork leaves it."""
    before = own_memory()
    answers.put("ready")
    for batch in iter(batches.get, None):
        answers.put(sum(used(data[index]) for index in batch))
    answers.put(own_memory() - before)
    # What is read at the end is seen by everybody before the worker is gone.
    batches.get()


def epoch(items, seed):
    """Batches of all items, in another order each time."""
    order = list(range(items))
    random.Random(seed).shuffle(order)
    return [order[first : first + BATCH] for first in range(0, items, BATCH)]


def read_all(options, queues, answers):
    """Every item once an epoch, by whichever worker; a batch for each worker at a time, as DataLoader does."""
    for number in range(options.epochs):
        batches = epoch(options.items, number)
        for first in range(0, len(batches), len(queues)):
            some = batches[first : first + len(queues)]
            for queue, batch in zip(queues, some):
                queue.put(batch)
            for _ in some:
                answers.get()


def wait_if(hold, **said):
    """A test looks at the processes here."""
    if hold:
        print(json.dumps(said), flush=True)
        sys.stdin.readline()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--hold", action="store_true", help="wait for a line before workers read, and before they end")
    options = parser.parse_args()
    global data
    data = FORMS[options.form](options.items)
    fork = multiprocessing.get_context("fork")
    queues, answers = [fork.SimpleQueue() for _ in range(options.workers)], fork.SimpleQueue()
    workers = [fork.Process(target=work, args=(queue, answers), daemon=True) for queue in queues]
    for worker in workers:
        worker.start()
    for _ in workers:
        answers.get()
    wait_if(options.hold, workers=[worker.pid for worker in workers])
    read_all(options, queues, answers)
    for queue in queues:
        queue.put(None)
    own = [answers.get() for _ in workers]
    wait_if(options.hold, own=own)
    for queue, worker in zip(queues, workers):
        queue.put(None)
        worker.join()
    if not options.hold:
        mib = sorted(number / (1 << 20) for number in own)
        print(f"{options.form}: each of {len(own)} workers has {mib[0]:.1f} to {mib[-1]:.1f} MiB more for itself")


if __name__ == "__main__":
    main()
