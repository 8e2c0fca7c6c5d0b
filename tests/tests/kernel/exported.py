# A master with memory, and workers that each write as many of its pages as a line says, and stay. "churn N" forks
# workers that write one page and exit.
import json, mmap, os, signal, sys, time

PAGE, PAGES = 4096, 2000
memory = mmap.mmap(-1, PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(PAGES):
    memory[page * PAGE] = 1


def write_some(pages):
    for page in range(pages):
        memory[page * PAGE] = 2


def write_slowly():
    for page in range(PAGES):
        memory[page * PAGE] = 3
        time.sleep(0.002)


def worker(work, *arguments):
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        work(*arguments)
        os.write(done, b".")
        if work is not write_slowly and arguments == (1,):
            os._exit(0)
        signal.pause()
    if work is not write_slowly:
        os.read(ready, 1)
    os.close(ready)
    os.close(done)
    return pid


staying = []
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    match line.split():
        case ["churn", number]:
            for _ in range(int(number)):
                os.waitpid(worker(write_some, 1), 0)
        case ["slowly"]:
            staying.append(worker(write_slowly))
        case [pages]:
            staying.append(worker(write_some, int(pages)))
    print(json.dumps("done"), flush=True)
for pid in staying:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
