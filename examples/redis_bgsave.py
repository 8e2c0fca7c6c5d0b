#!/usr/bin/env python3
"""What Redis' BGSAVE copies: cowtrace's count beside Redis' own, and which functions copied, in parent and child.

    sudo python3 redis_bgsave.py --cowtrace PATH [--server redis-server] [--runs 3]

For each shape of data (redis_shapes.py) this starts a server of its own, which listens only in a new folder, fills it,
starts cowtrace, lets the server save while clients write, and prints Markdown: the copies as cowtrace counts them, what
the server reports (`rdb_last_cow_size`), the child's Private_Dirty at its end, and what the page frames say.

Expect cowtrace's sum and Redis' figure within 1 %, wherever no process gives memory back; that most is copied by the
parent; and that the child copies a megabyte or less.
"""

import argparse
import json
import os
import random
import shlex
import shutil
import subprocess
import tempfile
import threading
import time

import frames
import held
import redis_shapes as shapes
import redis_tables as tables
import tracing
from redis_client import load, wait_for_server

# How long the child saves, roughly. It sleeps between keys, as if its disk were slow.
SECONDS = 8
# A sleep of a microsecond takes about as long as this.
SHORTEST_SLEEP = 60
# The load ends before the child does, so that nothing is copied while memory is read.
LOAD_SECONDS = 5


class Server:
    """A server that ends with the block."""

    def __init__(self, options):
        self.folder = tempfile.mkdtemp(prefix="cowtrace-bgsave-")
        self.socket, self.log = self.folder + "/socket", self.folder + "/log"
        command = [*shlex.split(options.server), "--port", "0", "--save", "", "--appendonly", "no"]
        command += ["--dir", self.folder, "--unixsocket", self.socket, "--logfile", self.log]
        environment = dict(os.environ)
        if options.libraries:
            environment["LD_LIBRARY_PATH"] = options.libraries
        self.process = subprocess.Popen(command, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def save_slowly(client, shape):
    """Makes the child save for SECONDS: a sleep after each key, or after several."""
    each = SECONDS * 1_000_000 // shape.keys - SHORTEST_SLEEP
    several = shape.keys * SHORTEST_SLEEP // (SECONDS * 1_000_000) + 1
    client.ask("CONFIG", "SET", "rdb-key-save-delay", each if each > 0 else -several)


class Load:
    """Clients that write for LOAD_SECONDS, or until the save has ended."""

    def __init__(self, server, shape, options, seed):
        self.client = wait_for_server(server.socket, server.process)
        self.watcher = wait_for_server(server.socket, server.process)
        self.ends = time.monotonic() + (1e9 if options.to_the_end else LOAD_SECONDS)
        self.sent, self.looked, self.has_saved = 0, 0.0, False
        self.thread = threading.Thread(target=self.run, args=(shapes.commands(shape, seed), options.rate))
        self.thread.start()

    def run(self, commands, rate):
        self.sent = load(self.client, commands, rate, self.is_over)
        self.ended = time.monotonic()

    def is_over(self):
        if time.monotonic() - self.looked > 0.1:
            self.looked = time.monotonic()
            self.has_saved = self.watcher.info("persistence")["rdb_bgsave_in_progress"] == "0"
        return self.has_saved or time.monotonic() >= self.ends


def wait_until_saved(client):
    """The server's own report of the save."""
    while (info := client.info("persistence"))["rdb_bgsave_in_progress"] != "0":
        time.sleep(0.05)
    assert info["rdb_last_bgsave_status"] == "ok", info
    return info


def measure(shape, options, seed):
    """One server, one save."""
    with Server(options) as server:
        client = wait_for_server(server.socket, server.process)
        shapes.fill(client, shape)
        save_slowly(client, shape)
        # What was freed while it was filled goes back to the kernel now, not during the save.
        client.ask("MEMORY", "PURGE")
        time.sleep(1)
        data = client.info("memory")
        trace = tracing.Trace(options.cowtrace, server.process.pid)
        way = save_unheld if options.to_the_end else save_held
        found = way(server, client, shape, options, seed)
        report = trace.stop()
        parent = tracing.process(report, server.process.pid)
        found |= {
            "data": int(data["used_memory"]),
            "copied": report["totals"]["copied_pages"],
            "by_parent": parent["copied_pages"],
            "sources": report["totals"]["by_source"],
            "loss": tracing.losses(report),
            "functions": list(tracing.functions(report).items()),
        }
        children = [it for it in report["processes"] if it["role"] == "worker"]
        assert len(children) == 1, children
        return found | {"touched": children[0]["touched_pages"], "child_sources": children[0]["by_source"]}


def save_unheld(server, client, shape, options, seed):
    """As in production: clients write until the save has ended, and nothing else looks."""
    client.ask("BGSAVE")
    clients = Load(server, shape, options, seed)
    info = wait_until_saved(client)
    clients.thread.join()
    return {"redis": int(info["rdb_last_cow_size"]), "commands": clients.sent}


def save_held(server, client, shape, options, seed):
    """Both are held at the fork and the child at its end, where page frames are compared. The load ends before."""
    holder = held.Holder(server.process.pid)
    asking = threading.Thread(target=client.ask, args=("BGSAVE",))
    asking.start()
    child = holder.wait_for_fork()
    fork = frames.anonymous(server.process.pid)
    child_trace = tracing.Trace(options.cowtrace, child)
    holder.release_both()
    asking.join()
    watch = frames.Watch(server.process.pid, fork)
    clients = Load(server, shape, options, seed)
    holder.wait_for_exit()
    saved = time.monotonic()
    clients.thread.join()
    if clients.ended > saved:
        raise SystemExit("the child saved faster than the clients wrote: nothing can be compared")
    found = {
        "private_dirty": frames.private_dirty(child),
        "frames": frames.compare(fork, *watch.end(), frames.anonymous(child)),
    }
    holder.release_child()
    info = wait_until_saved(client)
    report = child_trace.stop()
    return found | {
        "redis": int(info["rdb_last_cow_size"]),
        "commands": clients.sent,
        "by_child": tracing.process(report, child)["copied_pages"],
        "child_functions": list(tracing.functions(report).items()),
    }


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowtrace", default="cowtrace", help="the program to measure with")
    parser.add_argument("--server", default="redis-server", help="the server's program, or the words that start it")
    parser.add_argument("--libraries", help="a folder with libraries for the server, such as a jemalloc with symbols")
    parser.add_argument("--runs", type=int, default=3, help="servers for each shape")
    parser.add_argument("--rate", type=int, default=4000, help="commands a second")
    parser.add_argument("--shape", default="", help="only shapes whose name has this")
    parser.add_argument("--to-the-end", action="store_true", help="hold nothing, and write until the save has ended")
    parser.add_argument("--results", help="also write all figures into this file, as JSON")
    return parser.parse_args()


def main():
    options = parsed()
    if os.geteuid() != 0:
        raise SystemExit("run it as root: cowtrace and page frames need it")
    results = {}
    for shape in shapes.SHAPES:
        if options.shape in shape.name:
            seeds = random.Random(shape.name).sample(range(1000), options.runs)
            results[shape.name] = [measure(shape, options, seed) for seed in seeds]
            print(tables.progress(shape.name, results[shape.name]), flush=True)
    if options.results:
        with open(options.results, "w") as file:
            json.dump(results, file, indent=1)
    tables.show(results, options.to_the_end)


if __name__ == "__main__":
    main()
