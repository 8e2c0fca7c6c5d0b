#!/usr/bin/env python3
"""The same with PyTorch's own DataLoader (Debian's python3-torch, or pip install torch).

    sudo cowtrace -- python3 dataloader_torch.py list
    sudo cowtrace -- python3 dataloader_torch.py array

Expect as of dataloader_workers.py, and some MiB more for each worker: it copies parts of Python and PyTorch when it
starts.
"""

import argparse

from dataloader_records import FORMS, used
from torch.utils.data import DataLoader


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    loader = DataLoader(
        FORMS[options.form](options.items),
        batch_size=64,
        shuffle=True,
        num_workers=options.workers,
        # Workers send numbers: tensors would go through shared memory, which is another matter.
        collate_fn=lambda items: sum(map(used, items)),
        multiprocessing_context="fork",
        persistent_workers=True,
    )
    for _ in range(options.epochs):
        for _ in loader:
            pass


if __name__ == "__main__":
    main()
