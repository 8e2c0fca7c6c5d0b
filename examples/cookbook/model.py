"""A model of half a million weights."""
WORDS = [f"word-{number}" for number in range(400_000)]
WEIGHTS = {word: 0.5 + position for position, word in enumerate(WORDS)}
