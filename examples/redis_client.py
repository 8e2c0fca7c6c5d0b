"""A client for Redis and Valkey in a few lines: commands go out many at a time, answers are read and counted."""

import socket
import time


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.answers = self.socket.makefile("rb")

    def ask(self, *words):
        """Sends one command, and returns its answer."""
        self.socket.sendall(encoded(words))
        return self.answer()

    def send_all(self, commands):
        """Sends commands together, and reads all their answers."""
        self.socket.sendall(b"".join(map(encoded, commands)))
        for _ in commands:
            self.answer()

    def answer(self):
        line = self.answers.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.answers.read(size + 2)[:-2]
        if kind in b"+:" and kind:
            return rest
        raise RuntimeError(f"the server answers {line!r}")

    def info(self, section):
        """A section of INFO as a dict."""
        text = self.ask("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def encoded(words):
    """The protocol's form of a command: an array of strings with their lengths."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def wait_for_server(path, process):
    for _ in range(600):
        try:
            return Client(path)
        except OSError:
            if process.poll() is not None:
                raise SystemExit("the server did not start") from None
            time.sleep(0.05)
    raise SystemExit("the server does not listen")


def load(client, commands, rate, is_over, batch=50):
    """Sends `rate` commands a second, some at a time, until told to stop. Returns how many were sent."""
    sent, begun = 0, time.monotonic()
    while not is_over():
        client.send_all([next(commands) for _ in range(batch)])
        sent += batch
        ahead = begun + sent / rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    return sent
