"""A prefork service of which every line is known that writes: obeys titles, threads, fill, end."""

import json
import os
import sys
import threading


class Apple:
    __slots__ = ("value",)


class Pear:
    __slots__ = ("value",)


titles = {number: f"title of article {number}" for number in range(150_000)}
apples = [Apple() for _ in range(150_000)]
pears = [Pear() for _ in range(150_000)]
buffer = bytearray(8 << 20)


def scan_titles():
    for title in titles.values():  # titles
        pass


def deeper(depth):
    if depth:
        return deeper(depth - 1)
    return scan_titles()


def scan_apples():
    for apple in apples:  # apples
        pass


def scan_pears():
    for pear in pears:  # pears
        pass


def fill():
    # Without the interpreter's lock, while others hold it.
    with open("/dev/zero", "rb", buffering=0) as zeros:
        view = memoryview(buffer)
        for start in range(0, len(buffer), 1 << 18):
            zeros.readinto(view[start:start + (1 << 18)])  # fill


def together(*functions):
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


ORDERS = {
    b"ti": lambda: deeper(20),
    b"th": lambda: together(scan_apples, scan_pears),
    b"fi": lambda: together(fill, scan_pears),
}


def work(orders, answers):
    while (order := os.read(orders, 2)) in ORDERS:
        ORDERS[order]()
        os.write(answers, b".")
    os._exit(0)


def say(**values):
    print(json.dumps(values), flush=True)


def main():
    down, up = os.pipe(), os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(down[1])
        work(down[0], up[1])
    say(worker=worker)
    for line in sys.stdin:
        command = line.strip()
        os.write(down[1], command[:2].encode())
        if command == "end":
            break
        os.read(up[0], 1)
        say(done=command)
    os.close(down[1])
    os.waitpid(worker, 0)


main()
