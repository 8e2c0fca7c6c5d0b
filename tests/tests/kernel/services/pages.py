"""Which pages reading two variables writes: those of the objects in them. And the same texts in one object, which reading
does not write."""

import gc
import json
import os
from array import array

# The variable that is moved out of the heap's objects, if any.
MOVED = os.environ.get("MOVED")


class Packed:
    """Texts in one object."""

    def __init__(self, texts):
        self.ends, joined = array("Q", [0]), bytearray()
        for text in texts:
            joined += text.encode()
            self.ends.append(len(joined))
        self.joined = bytes(joined)

    def __len__(self):
        return len(self.ends) - 1

    def __getitem__(self, number):
        return self.joined[self.ends[number] : self.ends[number + 1]].decode()


class PackedSentences(Packed):
    def __iter__(self):
        return (self[number].split(",") for number in range(len(self)))


def titles():
    texts = (f"title of article {number}" for number in range(800_000))
    return Packed(texts) if MOVED == "titles" else dict(enumerate(texts))


def sentences():
    words = ([f"word {place} of {number}" for place in range(4)] for number in range(80_000))
    return PackedSentences(map(",".join, words)) if MOVED == "sentences" else list(words)


def of(objects):
    return {id(it) >> 12 for it in objects}


def tell(titles, sentences):
    """Writes how many pages reading the titles writes, and the sentences after them. To be called
    before the workers are forked, since it writes the same."""
    if MOVED:
        gc.collect()
        return
    of_titles = of(titles) | of(titles.values())
    of_sentences = of(sentences) | of(word for words in sentences for word in words)
    counts = {"titles": len(of_titles), "sentences": len(of_sentences - of_titles)}
    with open(os.environ["PAGES"], "w") as file:
        json.dump(counts, file)
    # Otherwise a worker's first collection writes the headers of the youngest objects before the trace.
    gc.collect()


def read_titles(titles):
    for number in range(len(titles)):
        titles[number]  # title


def read_sentences(sentences):
    for words in sentences:  # words
        for word in words:  # word
            pass
