"""Workers with hostile names that write files of hostile names, private to each. Argument: a folder."""

import ctypes
import json
import mmap
import os
import sys

PAGE = 4096
OF_FILE = 16
OF_MEMORY = 256
SET_NAME = 15
NAMES = [
    b"\x1b[31mred\x1b[2J",
    b"a\nb\nLOST\n",
    b"\xff\xfe\x80invalid",
    "\u202eevil".encode(),
    b"<b>x</b>",
    b"\"q,\"'=1+1",
    b"a;b 5",
    b"\x1b]0;own\x07",
    b"",
    b"\t\r\v",
    b"=cmd|' /C'!A0",
]
FILES = [
    b"\x1b[31mred\x1b[2J",
    b"a\nb (deleted)",
    b"\xff\xfe",
    "\u202eevil".encode(),
    b"<img src=x onerror=alert(1)>",
    b"q\"',;=1+1",
    b"[heap]",
    b"[stack] ",
    b"back\\slash\\012",
]


def written(memory, pages):
    for page in range(pages):
        memory[page * PAGE] = (memory[page * PAGE] + 1) % 256


def private(file):
    os.ftruncate(file, OF_FILE * PAGE)
    memory = mmap.mmap(file, OF_FILE * PAGE, flags=mmap.MAP_PRIVATE)
    os.close(file)
    written(memory, OF_FILE)
    return memory


def of_file(name):
    path = os.path.join(os.fsencode(sys.argv[1]), name)
    return private(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def main():
    memory = mmap.mmap(-1, OF_MEMORY * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    written(memory, OF_MEMORY)
    files = [of_file(name) for name in FILES + [b"gone"]]
    os.unlink(os.path.join(os.fsencode(sys.argv[1]), b"gone"))
    files.append(private(os.memfd_create("mem\x1b[31m\nfd")))
    libc = ctypes.CDLL(None)
    go, finished, end = os.pipe(), os.pipe(), os.pipe()
    workers = []
    for name in NAMES:
        worker = os.fork()
        if worker == 0:
            os.close(end[1])
            libc.prctl(SET_NAME, name, 0, 0, 0)
            os.read(go[0], 1)
            written(memory, OF_MEMORY)
            for file in files:
                written(file, OF_FILE)
            os.write(finished[1], b"x")
            os.read(end[0], 1)
            os._exit(0)
        workers.append(worker)
    print(json.dumps({"workers": workers, "each": OF_MEMORY + OF_FILE * len(files)}), flush=True)
    sys.stdin.readline()
    os.write(go[1], b"g" * len(workers))
    for _ in workers:
        os.read(finished[0], 1)
    print(json.dumps({"done": True}), flush=True)
    sys.stdin.readline()


main()
