"""Reads a data set of 600,000 annotations with four workers, epoch after epoch."""
import sys
import time

from torch.utils.data import DataLoader, Dataset


class Photos(Dataset):
    def __init__(self, count):
        # As json.load() gives them.
        self.annotations = [
            {"file": f"train2017/{number:012}.jpg", "category": number % 80, "box": [number, number + 1, 64, 48]}
            for number in range(count)
        ]

    def __len__(self):
        return len(self.annotations)

    def __getitem__(self, index):
        annotation = self.annotations[index]
        return len(annotation["file"]), annotation["category"], annotation["box"][2]


def main():
    loader = DataLoader(Photos(600_000), batch_size=256, shuffle=True, num_workers=4, persistent_workers=True)
    end = time.time() + float(sys.argv[1])
    while time.time() < end:
        for batch in loader:
            time.sleep(0.005)  # the training step
            if time.time() > end:
                break


main()
