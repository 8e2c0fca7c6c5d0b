"""Scores texts in a pool of processes that a fork server makes."""
import multiprocessing
import sys
import time

if __name__ == "__main__":
    multiprocessing.set_start_method("forkserver")
    if "preload" in sys.argv:
        multiprocessing.set_forkserver_preload(["model"])


def score(first):
    import model
    return sum(model.WEIGHTS.get(word, 0) for word in model.WORDS[first:first + 2000])


def main():
    end = time.time() + float(sys.argv[1])
    with multiprocessing.Pool(4) as pool:
        first = 0
        while time.time() < end:
            pool.map(score, range(first, first + 40_000, 2000))
            first = (first + 40_000) % 380_000
            time.sleep(0.1)


if __name__ == "__main__":
    main()
