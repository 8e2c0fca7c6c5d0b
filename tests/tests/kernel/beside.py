# A service whose own memory stays as it is, while something beside it grows, in known amounts: `beside.py
# KEY=NUMBER...`. The master prints its pid and those of its workers, works from the first line of input,
# prints what was done, and stays until its input ends.
#
#   cgroup    a folder, in which it begins         workers   how many
#   waits     connections that end in TIME_WAIT    buffers   MiB in buffers of connections
#   forks     children that only sleep             inherit   MiB that they inherit
#   files     MiB of files that a worker reads     folder    where these are
#   copy      MiB of what is inherited that each worker writes

import ctypes
import fcntl
import json
import mmap
import os
import select
import socket
import struct
import sys
import time

PAGE = 4096
MIB = 1 << 20
SECONDS = 18
STEPS = 36

plan = {"workers": "1"}
for word in sys.argv[1:]:
    key, value = word.split("=")
    plan[key] = value


def number(key):
    return int(plan.get(key, "0"))


if plan.get("cgroup"):
    with open(plan["cgroup"] + "/cgroup.procs", "w") as procs:
        procs.write(str(os.getpid()))


def own_network():
    """Connections of others do not count then."""
    new_network = 0x40000000
    if ctypes.CDLL(None, use_errno=True).unshare(new_network):
        raise OSError(ctypes.get_errno(), "unshare")
    up, set_flags = 0x1 | 0x40, 0x8914
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up))


own_network()
inherited = mmap.mmap(-1, max(number("inherit"), 1) * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
if hasattr(mmap, "MADV_NOHUGEPAGE"):
    inherited.madvise(mmap.MADV_NOHUGEPAGE)


def touch(first, end):
    for page in range(first, end):
        inherited[page * PAGE] = 1


touch(0, number("inherit") * MIB // PAGE)
listeners = []
for place in range(1, 9):
    listener = socket.create_server(("127.0.0.%d" % place, 0), backlog=64)
    listeners.append(listener)


def wait(first, end):
    """Connections that this side closes first: each waits for a minute."""
    for at in range(first, end):
        listener = listeners[at % len(listeners)]
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        near.close()
        far.close()


full = []


def fill(first, end):
    """Sends until nothing more goes into the buffers of a connection, or enough is in them."""
    left = (end - first) * MIB
    part = bytes(MIB)
    while left > 0:
        near = socket.create_connection(listeners[0].getsockname())
        far, _ = listeners[0].accept()
        near.setblocking(False)
        full.append((near, far))
        try:
            while left > 0:
                left -= near.send(part[:left])
        except BlockingIOError:
            # The other side has yet to take some of it.
            time.sleep(0.02)


def read_file(first, end):
    path = os.path.join(plan["folder"], "read")
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(MIB)
        for at in range(first, end):
            file.seek(at * MIB)
            file.readinto(buffer)


children = []


def fork(first, end):
    for _ in range(first, end):
        pid = os.fork()
        if pid == 0:
            os.close(leave)
            os.read(stays, 1)
            os._exit(0)
        children.append(pid)


def copy(first, end):
    touch(first, end)


def spread(jobs):
    """Does so much of each in equal steps."""
    began = time.monotonic()
    for step in range(STEPS):
        for amount, do in jobs:
            first, end = amount * step // STEPS, amount * (step + 1) // STEPS
            if end > first:
                do(first, end)
        rest = began + (step + 1) * SECONDS / STEPS - time.monotonic()
        time.sleep(max(rest, 0))


stays, leave = os.pipe()
heard, says = os.pipe()
begins, begin = os.pipe()
workers = []
for place in range(number("workers")):
    pid = os.fork()
    if pid == 0:
        os.close(leave)
        os.read(begins, 1)
        jobs = [(number("copy") * MIB // PAGE, copy)]
        if place == 0:
            jobs += [(number("waits"), wait), (number("buffers"), fill), (number("files"), read_file)]
        spread(jobs)
        os.write(says, b"x")
        os.read(stays, 1)
        os._exit(0)
    workers.append(pid)
print(json.dumps({"workers": workers}), flush=True)
if not os.read(0, 3):
    # Nothing is to be done.
    for pid in workers:
        os.kill(pid, 9)
    sys.exit()
os.write(begin, b"x" * len(workers))
spread([(number("forks"), fork)])
for _ in workers:
    os.read(heard, 1)
print(json.dumps({"workers": workers, "children": children}), flush=True)
os.read(0, 1)
os.close(leave)
for pid in workers + children:
    os.waitpid(pid, 0)
