"""Which pages reading two variables writes: those of the objects in them."""

import gc
import json
import os


def of(objects):
    return {id(it) >> 12 for it in objects}


def tell(titles, sentences):
    """Writes how many pages reading the titles writes, and the sentences after them. To be called
    before the workers are forked, since it writes the same."""
    of_titles = of(titles) | of(titles.values())
    of_sentences = of(sentences) | of(word for words in sentences for word in words)
    counts = {"titles": len(of_titles), "sentences": len(of_sentences - of_titles)}
    with open(os.environ["PAGES"], "w") as file:
        json.dump(counts, file)
    # Otherwise a worker's first collection writes the headers of the youngest objects before the trace.
    gc.collect()


def read_titles(titles):
    for number in range(len(titles)):
        titles[number]


def read_sentences(sentences):
    for words in sentences:
        for word in words:
            pass
