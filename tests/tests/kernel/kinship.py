"""Children that are forks, and children that are programs of their own. The data is preloaded by a forkserver, loaded by
a program that a launcher starts, or the parent's alone."""

import json
import multiprocessing
import os
import sys

WORKERS = 2


class Record:
    __slots__ = ("text",)

    def __init__(self, number):
        self.text = "record number %d" % number


def load():
    return [Record(number) for number in range(200_000)]


def use(records):
    return sum(len(record.text) for record in records)


def say(**what):
    print(json.dumps(what), flush=True)


def work(part):
    import kinship_data

    return use(kinship_data.RECORDS[part :: 2 * WORKERS])


def forkserver():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kinship_data"])
    with context.Pool(WORKERS) as pool:
        pool.map(abs, range(2 * WORKERS), chunksize=1)
        say(workers=[process.pid for process in pool._pool])
        sys.stdin.readline()
        say(sum=sum(pool.map(work, range(2 * WORKERS), chunksize=1)))
        sys.stdin.readline()


def spawned():
    """The data is the parent's alone."""
    records = load()
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        pool.map(abs, range(2 * WORKERS), chunksize=1)
        say(workers=[process.pid for process in pool._pool])
        sys.stdin.readline()
        pool.map(abs, range(1_000), chunksize=10)
        say(sum=use(records))
        sys.stdin.readline()


def executed():
    """Workers are forked and start a program of their own, which builds data of its own."""
    records = load()
    end = os.pipe()
    os.set_inheritable(end[0], True)
    say(records=len(records))
    sys.stdin.readline()
    for _ in range(WORKERS):
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, __file__, "grown", str(end[0])])
    sys.stdin.readline()
    os.close(end[1])
    for _ in range(WORKERS):
        os.wait()


def grown():
    own = load()
    # In one write: another worker says the same.
    os.write(1, b'{"worker": %d, "own": %d}\n' % (os.getpid(), len(own)))
    os.read(int(sys.argv[2]), 1)


def service():
    records = load()
    go, end = os.pipe(), os.pipe()
    for _ in range(WORKERS):
        if os.fork() == 0:
            os.close(end[1])
            os.read(go[0], 1)
            use(records)
            os.write(1, b'{"done": true}\n')
            os.read(end[0], 1)
            os._exit(0)
    os.close(end[0])
    say(master=os.getpid())
    sys.stdin.readline()
    os.write(go[1], b"g" * WORKERS)
    sys.stdin.readline()


def launcher():
    pid = os.posix_spawn(sys.executable, [sys.executable, __file__, "service"], os.environ)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    modes = [executed, forkserver, grown, launcher, service, spawned]
    {mode.__name__: mode for mode in modes}[sys.argv[1]]()
