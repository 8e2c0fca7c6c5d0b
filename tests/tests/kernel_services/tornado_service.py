"""A Tornado service that forks its workers; each answers on one socket with its process id."""

import asyncio
import os
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.process import fork_processes
from tornado.web import Application, RequestHandler

titles = {number: f"title of article {number}" for number in range(800_000)}


class Articles(RequestHandler):
    def get(self):
        first = int(self.get_argument("first"))
        for number in range(first, first + 10_000):
            title = titles[number]  # look-up
            if not title:
                self.send_error(404)
        self.write(str(os.getpid()))


async def serve(sockets):
    server = HTTPServer(Application([("/", Articles)]))
    server.add_sockets(sockets)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sockets = [bind_unix_socket(sys.argv[1])]
    fork_processes(int(sys.argv[2]))
    asyncio.run(serve(sockets))
