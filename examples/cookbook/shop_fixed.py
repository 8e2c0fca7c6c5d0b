"""The same shop with its catalogue in SQLite, a file that all workers share by the page cache."""
import json
import os
import random
import sqlite3

FILE = os.environ.get("CATALOGUE", "catalogue.db")


def build():
    database = sqlite3.connect(FILE)
    database.execute("CREATE TABLE article (number INTEGER PRIMARY KEY, sku TEXT, name TEXT, price INTEGER, stock INTEGER)")
    database.executemany("INSERT INTO article VALUES (?, ?, ?, ?, ?)", (
        (number, f"sku-{number}", f"Article number {number}", number % 10_000 + 500, number % 97)
        for number in range(300_000)))
    database.commit()
    database.close()


if not os.path.exists(FILE):
    build()
connection = None


def search():
    global connection
    if connection is None:  # after the fork: a connection belongs to one process
        connection = sqlite3.connect(f"file:{FILE}?mode=ro", uri=True)
        connection.execute("PRAGMA mmap_size = 268435456")
    start = random.randrange(300_000 - 300)
    found, name, _ = connection.execute(
        "SELECT count(*), name, min(price) FROM article WHERE number >= ? AND number < ?", (start, start + 300)).fetchone()
    return {"found": found, "cheapest": name}


def app(environ, start_response):
    answer = json.dumps(search()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
