# A parent writes memory that it shared with a child which has exited: each page is reused, none
# copied. Obeys one line of input; answers with the number of faults of the writing.
import json
import mmap
import os
import sys

PAGES = 20000
memory = mmap.mmap(-1, PAGES * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(PAGES):
    memory[page * 4096] = 1


def minor_faults():
    with open("/proc/self/stat") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[7])


print(json.dumps({"ready": PAGES}), flush=True)
sys.stdin.readline()
child = os.fork()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
before = minor_faults()
for page in range(PAGES):
    memory[page * 4096] = 2
print(json.dumps({"done": minor_faults() - before}), flush=True)
sys.stdin.readline()
