"""The truth about copies: which page frames parent and child have (/proc/PID/pagemap, as root)."""

import array
import os

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


FATES = ("shared", "parent_copied", "child_copied", "both_other", "parent_gave_back", "both_gave_back",
         "child_gave_back", "child_gave_back_parent_copied", "child_new")


def compare(fork, parent, child):
    """What became of the pages that both had at the fork, in pages."""
    found = dict.fromkeys(FATES, 0)
    for address, frame in fork.items():
        found[fate(frame, parent.get(address), child.get(address))] += 1
    found["child_new"] = sum(1 for address in child if address not in fork)
    return found


def fate(frame, of_parent, of_child):
    if of_child is None:
        if of_parent is None:
            return "both_gave_back"
        return "child_gave_back" if of_parent == frame else "child_gave_back_parent_copied"
    if of_child == frame:
        if of_parent is None:
            return "parent_gave_back"
        return "shared" if of_parent == frame else "parent_copied"
    return "child_copied" if of_parent == frame else "both_other"


def private_dirty(pid):
    """Bytes that only this process has and that were written, by the kernel: what Redis reads."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        line = next(line for line in rollup if line.startswith("Private_Dirty:"))
    return int(line.split()[1]) << 10
