"""The other application of a uWSGI: see mounted_shop.py."""

import os

posts = {number: f"post number {number} with a title" for number in range(200_000)}
with open(os.environ["PAGES_OF_POSTS"], "w") as file:
    file.write(str(len({id(it) >> 12 for item in posts.items() for it in item})))


def show(first):
    for number in range(first, first + 10_000):
        if not posts[number]:  # look-up
            raise KeyError(number)


def application(environ, start_response):
    first = environ["QUERY_STRING"].removeprefix("first=")
    if first:
        show(int(first))
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
