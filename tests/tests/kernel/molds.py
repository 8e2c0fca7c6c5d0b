"""Workers that are forked twice, as by Pitchfork: a monitor takes in orphans, a mold loads the data, and the process
that forks a worker exits at once. Commands: fork (a worker, from the mold), promote (the oldest worker becomes the
mold), retire (the oldest mold exits), work (all workers read the data), end. Each is answered by a line of JSON."""

import ctypes
import json
import os
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


class Record:
    __slots__ = ("text",)

    def __init__(self, number):
        self.text = "record number %d" % number


def use(records):
    return sum(len(record.text) for record in records)


def serve(records, orders, answers):
    """Obeys orders of one byte: f (fork a worker), w (read all data), p (read a part of it)."""
    while True:
        order = os.read(orders[0], 1)
        if order == b"f":
            fork_twice(records, answers)
        elif order == b"w":
            use(records)
            os.write(answers[1], b"done\n")
        elif order == b"p":
            use(records[: len(records) // 3])
            os.write(answers[1], b"done\n")
        else:
            os._exit(0)


def fork_twice(records, answers):
    helper = os.fork()
    if helper:
        os.waitpid(helper, 0)
        return
    orders = os.pipe()
    if os.fork():
        os._exit(0)
    os.write(answers[1], b"%d %d\n" % (os.getpid(), orders[1]))
    serve(records, orders, answers)


def say(**what):
    print(json.dumps(what), flush=True)


class Member:
    def __init__(self, pid, pipe):
        self.pid, self.pipe = pid, pipe

    def obey(self, order):
        os.write(self.pipe, order)


def start_mold(answers):
    orders = os.pipe()
    pid = os.fork()
    if pid == 0:
        records = [Record(number) for number in range(300_000)]
        os.write(answers[1], b"done\n")
        serve(records, orders, answers)
    return Member(pid, orders[1])


def monitor():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    answers = os.pipe()
    told = os.fdopen(answers[0])
    molds, workers = [start_mold(answers)], []
    told.readline()
    say(mold=molds[0].pid)
    for command in iter(sys.stdin.readline, ""):
        command = command.strip()
        if command == "fork":
            molds[-1].obey(b"f")
            pid, pipe = map(int, told.readline().split())
            pipe = os.open("/proc/%d/fd/%d" % (pid, pipe), os.O_WRONLY)
            workers.append(Member(pid, pipe))
            say(worker=pid)
        elif command == "promote":
            molds.append(workers.pop(0))
            molds[-1].obey(b"p")
            told.readline()
            # Promoted workers have worked for a while: who began less than 50 ms before is taken for a sibling.
            time.sleep(0.2)
            say(mold=molds[-1].pid)
        elif command == "retire":
            mold = molds.pop(0)
            mold.obey(b"e")
            os.waitpid(mold.pid, 0)
            say(gone=mold.pid)
        elif command == "work":
            for worker in workers:
                worker.obey(b"w")
            for worker in workers:
                told.readline()
            say(done=True)
        else:
            break
    for member in workers + molds:
        member.obey(b"e")
        os.waitpid(member.pid, 0)


monitor()
