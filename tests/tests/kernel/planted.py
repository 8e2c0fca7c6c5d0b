# A service whose memory does what its plan says, in known amounts: `planted.py KEY=NUMBER...`, MiB and
# seconds. The master prepares what workers inherit and prints their pids, works from the first line of
# input, prints what it did, and stays until its input ends.
#
#   workers   how many                          titles    strings that they inherit in a list
#   inherit   MiB that they inherit in pages    read      whether each reads the whole list
#   copy      MiB of them that each writes      grow      MiB of objects that each keeps
#   steps     in how many steps                 fill      within this many seconds
#   burst     MiB, given back again, by each    bursts    how often
#   peaks     whether each burst is larger      threads   that build and free lists, in each
#   leak      MiB that the master keeps         recycle   seconds that a worker lives
#   exec      MiB by a program that each starts early     whether it does so before the trace
#   quick     MiB that each keeps at once       (with recycle, each keeps `grow` over its life)
#   warm      whether they read, copy and grow before the trace, and read and copy the same again in it
#   helpers   short programs at a time          at        the second when they start
#   shared    MiB of shared memory that each    seconds   in which all of it is done
#             fills

import ctypes
import json
import mmap
import os
import select
import sys
import threading
import time

PAGE = 4096
MIB = 1 << 20
TICK = 0.25

plan = dict.fromkeys(
    "workers titles inherit read copy grow steps fill burst bursts peaks threads leak recycle exec early quick"
    " warm helpers at shared seconds".split(),
    0,
)
for word in sys.argv[1:]:
    key, number = word.split("=")
    assert key in plan, key
    plan[key] = float(number) if "." in number else int(number)

# Before the trace ends.
SECONDS = plan["seconds"] or 21

# What `exec` starts: it keeps more and more pages of its own.
PROGRAM = """
import mmap, os, sys, time
mib, seconds, ready, go = (int(word) for word in sys.argv[1:])
kept = mmap.mmap(-1, mib << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
os.write(ready, b'x')
os.read(go, 1)
for step in range(seconds * 4):
    for page in range(mib * 64 * step // seconds, mib * 64 * (step + 1) // seconds):
        kept[page << 12] = 1
    time.sleep(0.25)
os.write(ready, b'x')
os.read(go, 1)
"""


def new_pages(mib):
    """Private memory in small pages, untouched."""
    memory = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return memory


def touch(memory, first, end):
    for page in range(first, end):
        memory[page * PAGE] = 1


titles = ["title %d of all" % number for number in range(plan["titles"])]
inherited = new_pages(plan["inherit"]) if plan["inherit"] else None
if inherited:
    touch(inherited, 0, plan["inherit"] * MIB // PAGE)


# A region for each worker, which all of them have.
all_shared = [mmap.mmap(-1, plan["shared"] * MIB) for _ in range(plan["workers"] if plan["shared"] else 0)]


class Job:
    """Work that is spread over time: `do` is called with the share of it that is due."""

    def __init__(self, amount, do):
        self.amount, self.do, self.done = amount, do, 0

    def until(self, share):
        due = int(self.amount * min(share, 1))
        if due > self.done:
            self.do(self.done, due)
            self.done = due


def read(first, end):
    for number in range(first, end):
        titles[number]


def copy(first, end):
    touch(inherited, first, end)


kept = []


def grow(first, end):
    for number in range(first, end):
        kept.append("%-1000d" % number)


def burst(number, end):
    share = (number + 1) / plan["bursts"] if plan["peaks"] else 1
    pages = int(plan["burst"] * MIB // PAGE * share)
    memory = new_pages(plan["burst"])
    touch(memory, 0, pages)
    memory.close()


def build_and_free(stop):
    """Lists of 3 MiB of strings from this thread's own arena, each freed when the next one is built."""
    while not stop.is_set():
        built = ["%-3000d" % number for number in range(MIB // 1000)]
        stop.wait(1)
    kept.append(built)


def jobs_of_worker():
    read_all = Job(len(titles) if plan["read"] else 0, read)
    copy_all = Job(plan["copy"] * MIB // PAGE, copy)
    grow_all = Job(plan["grow"] * MIB // 1050, grow)
    return [read_all, copy_all], grow_all


def jobs_in_shared(worker):
    if not all_shared:
        return []
    return [Job(plan["shared"] * MIB // PAGE, lambda first, end: touch(all_shared[worker], first, end))]


def wait_for_go(fd):
    return bool(os.read(fd, 1))


def work(worker, go, say):
    repeated, growing = jobs_of_worker()
    if plan["warm"]:
        for job in repeated + ([growing] if plan["warm"] > 1 else []):
            job.until(1)
            job.done = 0 if job in repeated else job.done
    started = start_program() if plan["exec"] and plan["early"] else None
    say(pid=os.getpid(), started=started and started[0])
    wait_for_go(go)
    started = started or (start_program() if plan["exec"] else None)
    if started:
        os.write(started[2], b"x")
    bursts = Job(plan["bursts"], burst)
    stop = threading.Event()
    threads = [threading.Thread(target=build_and_free, args=(stop,)) for _ in range(plan["threads"])]
    for thread in threads:
        thread.start()
    Job(plan["quick"] * MIB // 1050, grow).until(1)
    began = time.monotonic()
    others = [bursts] + jobs_in_shared(worker)
    share = 0
    while share < 1:
        share = (time.monotonic() - began) / SECONDS
        for job in repeated + others:
            job.until(share)
        of_growth = share * SECONDS / (plan["fill"] or SECONDS)
        if plan["steps"]:
            of_growth = (int(share * plan["steps"]) + 1) / plan["steps"]
        growing.until(of_growth)
        time.sleep(TICK)
    stop.set()
    for thread in threads:
        thread.join()
    if started:
        os.read(started[1], 1)
    say(pid=os.getpid(), started=started and started[0])
    wait_for_go(go)
    os._exit(0)


def start_program():
    """A worker's child that runs another program: its pid, and the pipes to hear it and to let it go."""
    heard, says = os.pipe()
    waits, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(heard)
        os.close(go)
        for fd in says, waits:
            os.set_inheritable(fd, True)
        words = [sys.executable, "-S", "-c", PROGRAM, plan["exec"], SECONDS, says, waits]
        os.execv(sys.executable, [str(word) for word in words])
    os.close(says)
    os.close(waits)
    os.read(heard, 1)
    return pid, heard, go


def recycled():
    """A worker that copies at once, keeps more and more, and lives for a while."""
    copy(0, plan["copy"] * MIB // PAGE)
    growing = jobs_of_worker()[1]
    end = time.monotonic() + plan["recycle"]
    while (left := end - time.monotonic()) > 0:
        growing.until(1 - left / plan["recycle"])
        time.sleep(min(TICK, left))
    os._exit(0)


def run_helpers():
    """Short programs beside the workers."""
    pids = [os.spawnvp(os.P_NOWAIT, "sleep", ["sleep", "2"]) for _ in range(plan["helpers"])]
    threading.Thread(target=lambda: [os.waitpid(pid, 0) for pid in pids]).start()


def lead(workers):
    """The master's own work: up to the time that it is done, or while workers are replaced until it is
    told to end. Returns whether it was."""
    began = time.monotonic()
    leak = Job(plan["leak"] * MIB // 1050, grow)
    helpers = bool(plan["helpers"])
    while True:
        now = time.monotonic() - began
        leak.until(now / SECONDS)
        if helpers and now >= plan["at"]:
            helpers = False
            run_helpers()
        if not plan["recycle"]:
            if now > SECONDS:
                return False
            time.sleep(TICK)
            continue
        while len(workers) < plan["workers"]:
            pid = os.fork()
            if pid == 0:
                recycled()
            workers.append(pid)
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if pid:
            workers.remove(pid)
        elif select.select([0], [], [], 0.02)[0]:
            return True


def main():
    heard, says = os.pipe()
    waits, go = os.pipe()

    def say(**answer):
        os.write(says, json.dumps(answer).encode() + b"\n")

    workers, answers = [], []
    for worker in range(0 if plan["recycle"] else plan["workers"]):
        pid = os.fork()
        if pid == 0:
            os.close(go)
            work(worker, waits, say)
        workers.append(pid)
    lines = os.fdopen(heard)
    answers = [json.loads(lines.readline()) for _ in workers]
    start = ctypes.addressof(ctypes.c_char.from_buffer(inherited)) if inherited else 0
    print(json.dumps({"workers": answers, "start": start}), flush=True)
    # Unbuffered: `select` would not see what a buffer holds.
    os.read(0, 3)
    os.write(go, b"x" * len(workers))
    ended = lead(workers)
    if not plan["recycle"]:
        answers = [json.loads(lines.readline()) for _ in workers]
        print(json.dumps({"workers": answers}), flush=True)
    ended or os.read(0, 1)
    if plan["recycle"]:
        for pid in workers:
            os.kill(pid, 9)
    os.close(go)


main()
