"""Markdown of what was measured. A figure is the median of the runs; a range is from the least to the largest run."""

from collections import Counter
from statistics import median

PAGE = 4096


def progress(name, runs):
    sums = ", ".join(f"{mib(copied_and_new(run))} and {mib(run['redis'] / PAGE)} MiB" for run in runs)
    return f"<!-- {name}: {sums} -->"


def show(results, to_the_end):
    if to_the_end:
        table(("shape", "commands", *SUMS, "`rdb_last_cow_size`", "difference"), (
            (name, f"{whole(runs, 'commands'):,}", *sums(runs), mib(of(runs, redis)), differences(runs, redis))
            for name, runs in results.items()))
    else:
        show_held(results)
    for name, runs in results.items():
        for run in runs:
            if run["loss"]:
                print(f"{name}: cowtrace did not see everything: {run['loss']}")


SUMS = ("copied by parent", "by child", "new in child", "sum")


def show_held(results):
    print("### cowtrace, Redis and the kernel, in MiB\n")
    table(("shape", "data", "commands", *SUMS, "child's Private_Dirty", "difference",
           "`rdb_last_cow_size`", "difference"), (
        (name, mib(whole(runs, "data") / PAGE), f"{whole(runs, 'commands'):,}", *sums(runs),
         mib(of(runs, private)), differences(runs, private), mib(of(runs, redis)), differences(runs, redis))
        for name, runs in results.items()))
    print("### Copies by page frames, in pages\n")
    table(("shape", "parent's by frames", "by cowtrace", "child's by frames", "by cowtrace",
           "copies whose other page the child gave back", "pages that only the parent gave back",
           "sum less and plus these, and Private_Dirty"), (
        (name, *(median_range(runs, figure) for figure in BY_FRAMES),
         median_range(runs, parent_gave_back), remaining(runs)) for name, runs in results.items()))
    for side in ("parent", "child"):
        print(f"### Which functions copied in the {side}\n")
        table(("shape", "pages", "functions, largest first", "in the allocator"), (
            (name, *by_function(runs, side)) for name, runs in results.items()))


def table(titles, rows):
    print("| " + " | ".join(titles) + " |")
    print("|" + "|".join("---" if number == 0 else "--:" for number in range(len(titles))) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def mib(pages):
    return f"{pages * PAGE / (1 << 20):.1f}" if pages >= 256 else f"{pages * PAGE / (1 << 20):.2f}"


def of(runs, figure):
    return median(figure(run) for run in runs)


def whole(runs, key):
    return round(median(run[key] for run in runs))


def by_parent(run):
    return run["by_parent"]


def by_child(run):
    """With the zero page, which a process copies where it has read memory that nobody had written."""
    return run["copied"] - run["by_parent"]


def copied_and_new(run):
    return run["copied"] + run["touched"]


def redis(run):
    return run["redis"] / PAGE


def private(run):
    return run["private_dirty"] / PAGE


def sums(runs):
    figures = (by_parent, by_child, lambda run: run["touched"], copied_and_new)
    return [mib(of(runs, figure)) for figure in figures]


def differences(runs, other):
    """Of cowtrace's sum from another figure, least and most."""
    found = sorted(100 * (copied_and_new(run) / other(run) - 1) for run in runs)
    return f"{found[0]:+.2f} to {found[-1]:+.2f} %"


def parent_by_frames(run):
    """Pages that the parent had in another frame than at the fork, even if it gave them back later."""
    return run["frames"]["parent_copied"]


def child_by_frames(run):
    """Of copies and new pages together: a copy of the zero page is in a frame that the parent never had."""
    return run["frames"]["child_copied"] + run["frames"]["child_new"] - run["touched"]


def given_back(run):
    return run["frames"]["given_back"]


BY_FRAMES = (parent_by_frames, by_parent, child_by_frames, by_child, given_back)


def parent_gave_back(run):
    """The child has them alone, although nobody copied them."""
    return run["frames"]["parent_gave_back"]


def remaining(runs):
    """What the child must have for itself at its end, by cowtrace's sum, from what the kernel says: least and most."""
    found = sorted(copied_and_new(run) - given_back(run) + parent_gave_back(run) - private(run) for run in runs)
    return f"{found[0]:+.0f} to {found[-1]:+.0f}"


def median_range(runs, figure):
    found = sorted(figure(run) for run in runs)
    middle = round(median(found))
    return f"{middle:,}" if found[0] == found[-1] else f"{middle:,} ({found[0]:,} to {found[-1]:,})"


def by_function(runs, side):
    """Of all runs together: pages a run, the largest functions with their share, and the allocator's."""
    pages = Counter()
    for run in runs:
        child = Counter(dict(map(as_pair, run["child_functions"])))
        whole_run = Counter(dict(map(as_pair, run["functions"])))
        pages += child if side == "child" else whole_run - child
    total = sum(pages.values())
    allocators = sum(count for (_, module), count in pages.items() if "jemalloc" in module)
    largest = (f"{share(count, total)} `{function}`{where(function, module)}"
               for (function, module), count in pages.most_common(5))
    return round(total / len(runs)), ", ".join(largest), f"{share(allocators, total)}, {allocators // len(runs)} pages"


def as_pair(row):
    """JSON has lists where Python has tuples."""
    (function, module), count = row
    return (function, module), count


def where(function, module):
    is_plain = "+0x" in function or module.endswith(("-server", "-check-rdb"))
    return "" if is_plain else f" ({module.split('.so')[0]})"


def share(part, total):
    return f"{100 * part / total:.0f} %" if total else "-"
