"""What the workers of a queue do with the web service's data, which their parent has loaded: a job for Celery and RQ.
Started as a program it puts jobs into a queue, without the data: jobs.py QUEUE TOGETHER READ..."""

import os
import sys
import time


def read(what, together):
    """Reads one of the variables; returns when as many jobs have read it, each in a worker of its own."""
    import pages
    import wsgi_service

    if what == "titles":
        pages.read_titles(wsgi_service.titles)
    else:
        pages.read_sentences(wsgi_service.Corpus.sentences)
    finished = os.environ["FINISHED"] + what
    with open(finished, "a") as file:
        file.write(f"{os.getpid()}\n")
    while len(open(finished).readlines()) < together:
        time.sleep(0.01)


def put_into_celery(jobs):
    from celery import Celery

    app = Celery(broker=f"redis+socket://{os.environ['SOCKET']}")
    for what, together in jobs:
        app.send_task("read", [what, together])


def put_into_rq(jobs):
    from redis import Redis
    from rq import Queue

    queue = Queue(connection=Redis(unix_socket_path=os.environ["SOCKET"]))
    for what, together in jobs:
        queue.enqueue("jobs.read", what, together)


if __name__ == "__main__":
    put = {"celery": put_into_celery, "rq": put_into_rq}[sys.argv[1]]
    together = int(sys.argv[2])
    put([(what, together) for what in sys.argv[3:] for _ in range(together)])
