"""The same model: a word is known by its position, and weights are an array."""
from array import array

WEIGHTS = array("d", (0.5 + position for position in range(400_000)))
