# A master with 64 MiB and many workers. For each line of input it does one step and says so: a number forks so many
# workers, "write" has each of them write pages, each in a range of its own, and "end" ends them.
import mmap
import os
import sys

PAGE = 4096
RANGE = 65_536

pages = int(sys.argv[1])
memory = mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
for at in range(0, len(memory), PAGE):
    memory[at] = 1
print("ready", flush=True)


class Workers:
    def __init__(self, number):
        self.number = number
        self.go, self.done, self.stay = os.pipe(), os.pipe(), os.pipe()
        self.pids = [self.fork() for _ in range(number)]
        os.close(self.stay[0])

    def fork(self):
        pid = os.fork()
        if pid == 0:
            # Of the last pipe nobody ever writes: it ends with the master.
            os.close(self.stay[1])
            os.read(self.go[0], 1)
            for at in range(0, pages * RANGE, RANGE):
                memory[at] = 2
            os.write(self.done[1], b"x")
            os.read(self.stay[0], 1)
            os._exit(0)
        return pid

    def write(self):
        os.write(self.go[1], b"x" * self.number)
        left = self.number
        while left:
            left -= len(os.read(self.done[0], left))

    def end(self):
        os.close(self.stay[1])
        for pid in self.pids:
            os.waitpid(pid, 0)
        for end in (*self.go, *self.done):
            os.close(end)


workers = None
for line in sys.stdin:
    step = line.strip()
    if step == "write":
        workers.write()
    elif step == "end":
        workers.end()
    else:
        workers = Workers(int(step))
    print("done", flush=True)
