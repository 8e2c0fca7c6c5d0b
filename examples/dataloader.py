#!/usr/bin/env python3
"""What forked workers copy of a data set that they only read: as a list of dicts, and packed into one array.

    sudo python3 dataloader.py --cowtrace PATH [--items 1000000] [--workers 8]

Runs dataloader_workers.py once for each form under cowtrace, and prints Markdown: copied memory a worker as cowtrace
counts it, what the worker has for itself by the kernel (Private_Dirty, which has new memory too), and how many pages
are in another frame.

Expect some hundred MiB a worker for the list, and a few for the array.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import frames
import tracing

WORKERS = pathlib.Path(__file__).with_name("dataloader_workers.py")


class Service:
    """The workers and their master, which wait for a line where a test may look at them."""

    def __init__(self, options, form):
        command = [sys.executable, WORKERS, form, "--hold", "--items", str(options.items)]
        command += ["--workers", str(options.workers), "--epochs", str(options.epochs)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def let_go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def measure(options, form):
    service = Service(options, form)
    workers = service.answer()["workers"]
    trace = tracing.Trace(options.cowtrace, service.process.pid)
    loaded = len(frames.anonymous(service.process.pid))
    before = [frames.anonymous(worker) for worker in workers]
    service.let_go()
    own = service.answer()["own"]
    master = frames.anonymous(service.process.pid)
    moved = [in_another_frame(old, frames.anonymous(worker), master) for old, worker in zip(before, workers)]
    # The trace ends while the workers live: so the variables of the master can be looked at.
    report = trace.stop()
    service.let_go()
    service.process.wait()
    copied = [tracing.process(report, worker)["copied_pages"] for worker in workers]
    return {"loaded": loaded, "copied": copied, "moved": moved, "own": own, "report": report}


def in_another_frame(before, after, master):
    """Where the master has the same frame, the kernel has moved a page that both share (compaction)."""
    elsewhere = (address for address, frame in before.items() if after.get(address, frame) != frame)
    return sum(1 for address in elsewhere if after[address] != master.get(address))


def largest(report):
    """The line that copied most, and the variable that holds most of what was copied, with their shares."""
    lines, total = {}, report["totals"]["copied_pages"]
    for writer in report["writers"]:
        if writer["python"]:
            frame = writer["python"][0]
            line = f"{os.path.basename(frame['file'])}:{frame['line']} in {frame['function']}"
            lines[line] = lines.get(line, 0) + writer["copied_pages"]
    line = max(lines, key=lines.get, default=None)
    holder = max(report["holders"], key=lambda it: it["copied_pages"], default=None)
    return (
        f"{100 * lines[line] / total:.0f} % `{line}`" if line else "-",
        f"{100 * holder['copied_pages'] / total:.0f} % `{holder['path']}`" if holder else "-",
    )


def mib(pages):
    """Of one worker: the least and the most."""
    least, most = min(pages) * frames.PAGE / (1 << 20), max(pages) * frames.PAGE / (1 << 20)
    return f"{least:.1f}" if f"{least:.1f}" == f"{most:.1f}" else f"{least:.1f} to {most:.1f}"


def row(form, found):
    off = max(abs(copied - moved) for copied, moved in zip(found["copied"], found["moved"]))
    own = [number // frames.PAGE for number in found["own"]]
    cells = [form, mib([found["loaded"]]), mib(found["copied"]), mib(found["moved"]), f"{off} pages", mib(own)]
    return "| " + " | ".join(cells + list(largest(found["report"]))) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cowtrace", default="cowtrace", help="the program to measure with")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2, help="how often each item is read")
    options = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("run it as root: cowtrace and page frames need it")
    print(f"{options.items:,} items, {options.workers} workers, each item read {options.epochs} times; MiB a worker\n")
    print("| data | in the master | copied, by cowtrace | in another frame | difference, at most | more Private_Dirty "
          "| line | variable |\n|---|--:|--:|--:|--:|--:|---|---|")
    for form in ("list", "array"):
        found = measure(options, form)
        print(row(form, found), flush=True)
        if lost := tracing.losses(found["report"]):
            print(f"\ncowtrace did not see everything: {lost}\n")


if __name__ == "__main__":
    main()
