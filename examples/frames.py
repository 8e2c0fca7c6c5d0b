"""The truth about copies: which page frames parent and child have (/proc/PID/pagemap, as root)."""

import array
import os
import threading
import time

PAGE = 4096
FRAME, FILE, PRESENT = (1 << 55) - 1, 1 << 61, 1 << 63


def anonymous(pid):
    """The frame of each anonymous page, by its address. The zero page, which many addresses share, is left out."""
    frames, pagemap = {}, os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
    with open(f"/proc/{pid}/maps") as maps:
        mappings = [line.split()[0] for line in maps if "[v" not in line]
    for mapping in mappings:
        start, end = (int(address, 16) for address in mapping.split("-"))
        entries = array.array("Q", os.pread(pagemap, (end - start) // PAGE * 8, start // PAGE * 8))
        for index, entry in enumerate(entries):
            if entry & (PRESENT | FILE) == PRESENT:
                frames[start + index * PAGE] = entry & FRAME
    os.close(pagemap)
    times = {}
    for frame in frames.values():
        times[frame] = times.get(frame, 0) + 1
    return {address: frame for address, frame in frames.items() if times[frame] == 1}


class Watch:
    """Looks four times a second which pages a process has in another frame: it may give them back later."""

    def __init__(self, pid, first):
        self.pid, self.first, self.moved, self.is_over = pid, first, set(), False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over:
            self.look(anonymous(self.pid))
            time.sleep(0.25)

    def look(self, now):
        self.moved.update(address for address, frame in self.first.items() if now.get(address, frame) != frame)

    def end(self):
        """Looks a last time. Returns the pages that were seen in another frame, and the frames now."""
        self.is_over = True
        self.thread.join()
        now = anonymous(self.pid)
        self.look(now)
        return self.moved, now


def compare(fork, moved, parent, child):
    """What became of the pages that both had at the fork. `moved` are those that the parent had in other frames.

    The kernel may move a page to another frame (compaction), for both at once: a page in the same frame is shared.
    """
    copied = {address for address in fork if is_parents_own(address, fork, moved, parent, child)}
    own = {address for address in child if address in fork and child[address] != fork[address]} - copied
    return {
        "parent_copied": len(copied),
        "child_copied": sum(1 for address in own if child[address] != parent.get(address)),
        "child_new": sum(1 for address in child if address not in fork),
        # Of what the parent copied: nobody has the page that both had.
        "given_back": sum(1 for address in copied if address not in child),
        # Not copied, and the child has it alone.
        "parent_gave_back": sum(
            1 for address in fork if address in child and address not in parent and address not in copied
        ),
    }


def is_parents_own(address, fork, moved, parent, child):
    """Whether the parent has copied this page; what it gave back was in another frame before."""
    frame = parent.get(address)
    if frame is None:
        return address in moved
    return frame != fork[address] and frame != child.get(address)


def private_dirty(pid):
    """Bytes that only this process has and that were written, by the kernel: what Redis reads."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        line = next(line for line in rollup if line.startswith("Private_Dirty:"))
    return int(line.split()[1]) << 10
