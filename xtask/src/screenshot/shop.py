# A shop with a catalogue that each request reads somewhere, as a service would: reading copies.
import random

CATALOGUE = {f"article {number}": [f"name {number}", number % 1000, f"text {number}"] for number in range(150_000)}
ARTICLES = list(CATALOGUE)


def search():
    first = random.randrange(len(ARTICLES) - 200)
    return [CATALOGUE[article][0] for article in ARTICLES[first:first + 200]]


def prices():
    article = random.choice(ARTICLES)
    return [article, str(CATALOGUE[article][1])]


def app(environ, start_response):
    found = search() if random.random() < 0.7 else prices()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [", ".join(found).encode()]
