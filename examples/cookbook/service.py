"""Two workers read a million records that were loaded before the fork, and keep results of their own."""
import os
import sys
import time

RECORDS = {f"key {number}": [f"value {number}", number] for number in range(1_000_000)}


def work():
    results = []
    total = 0
    for key in RECORDS:
        record = RECORDS[key]
        total += len(record[0])
        if record[1] % 8 == 0:
            results.append(key + "!")  # new memory
    return results, total


def worker(start, end):
    os.read(start, 1)
    begun = time.process_time()
    results = work()
    took = time.process_time() - begun
    os.write(1, b"worker %d took %.3f s\n" % (os.getpid(), took))
    os.read(end, 1)  # stays until it is told to end
    if "EXIT" in os.environ:
        sys.exit()  # memray writes its file then
    os._exit(0)


def main():
    print("master", os.getpid(), "ready", flush=True)
    sys.stdin.readline()
    (start, go), (end, stop) = os.pipe(), os.pipe()
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os.close(go), os.close(stop)
            worker(start, end)
        children.append(child)
    print("forked", *children, flush=True)
    sys.stdin.readline()
    os.write(go, b"xx")
    sys.stdin.readline()
    os.write(stop, b"xx")
    for child in children:
        os.waitpid(child, 0)
    begun = time.process_time()
    work()  # writes in place: nobody shares these pages any more
    print("master took %.3f s" % (time.process_time() - begun), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main()
