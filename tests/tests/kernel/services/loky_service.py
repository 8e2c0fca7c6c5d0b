"""A parent with data of its own whose jobs joblib gives to processes that are started anew (loky)."""

import json
import sys

from joblib import Parallel, delayed

WORKERS = 2


def main():
    texts = [f"text number {number}" for number in range(400_000)]
    for line in sys.stdin:
        numbers = Parallel(n_jobs=WORKERS)(delayed(abs)(-number) for number in range(1_000))
        total = sum(numbers) + sum(len(text) for text in texts)
        print(json.dumps({"total": total}), flush=True)


if __name__ == "__main__":
    main()
