"""A shop: each request looks articles up in a catalogue that was loaded before the fork."""
import json
import random

# What a catalogue of 300,000 articles looks like when it comes out of a JSON file.
CATALOGUE = {
    f"sku-{number}": {"name": f"Article number {number}", "price": number % 10_000 + 500, "stock": number % 97}
    for number in range(300_000)
}
SKUS = list(CATALOGUE)


def search():
    start = random.randrange(len(SKUS) - 300)
    articles = [CATALOGUE[sku] for sku in SKUS[start:start + 300]]
    cheap = min(articles, key=lambda article: article["price"])
    return {"found": len(articles), "cheapest": cheap["name"]}


def app(environ, start_response):
    answer = json.dumps(search()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
