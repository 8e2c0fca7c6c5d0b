# A Tornado service (without arguments), or its client (with a port and a number of requests). For each line of input
# the service does what it says, and the client sends all requests and prints how many were answered a second, and
# the 99th percentile of their times in microseconds.
import asyncio
import os
import random
import signal
import socket
import sys
import time

WORKERS = 2
CONNECTIONS = 8
# Objects of 200 bytes, of which each request reads some, anywhere: pages are copied all the time.
ROWS = 200_000
READ = 40


class Row:
    def __init__(self, place):
        self.place = place
        self.name = "row %d of the master's rows" % place


def work(listening, rows):
    import tornado.httpserver
    import tornado.web

    class Read(tornado.web.RequestHandler):
        def get(self):
            place = random.randrange(ROWS)
            names = [rows[(place + 4_999 * step) % ROWS].name for step in range(READ)]
            self.write({"names": names[:3]})

    async def serve():
        application = tornado.web.Application([("/", Read)])
        server = tornado.httpserver.HTTPServer(application)
        server.add_sockets([listening])
        await asyncio.Event().wait()

    random.seed()
    asyncio.run(serve())


def serve():
    rows = [Row(place) for place in range(ROWS)]
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    listening.setblocking(False)
    workers = []
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "fork\n":
            for _ in range(WORKERS):
                worker = os.fork()
                if worker == 0:
                    work(listening, rows)
                    os._exit(0)
                workers.append(worker)
        for worker in workers if line == "end\n" else ():
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
        if line == "end\n":
            workers.clear()
        print(listening.getsockname()[1], flush=True)


async def ask(port, count, times):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        begun = time.perf_counter()
        writer.write(b"GET / HTTP/1.1\r\nHost: service\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - begun)
    writer.close()


async def ask_on_all(port, requests):
    times = []
    begun = time.perf_counter()
    each = requests // CONNECTIONS
    await asyncio.gather(*(ask(port, each, times) for _ in range(CONNECTIONS)))
    rate = len(times) / (time.perf_counter() - begun)
    return rate, 1e6 * sorted(times)[int(0.99 * len(times))]


def send(port, requests):
    print("ready", flush=True)
    for _ in sys.stdin:
        print("%.1f %.1f" % asyncio.run(ask_on_all(port, requests)), flush=True)


if len(sys.argv) > 1:
    send(int(sys.argv[1]), int(sys.argv[2]))
else:
    serve()
