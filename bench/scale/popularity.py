"""How requests are spread over things: evenly, or by Zipf's law, by which the k-th thing gets a part of 1 / k."""

from __future__ import annotations


def even(things: int) -> list[float]:
    """Return the share of each of *things*, the same for all."""
    return [1 / things] * things


def zipf(things: int, exponent: float = 1) -> list[float]:
    """Return the share of each of *things*, the largest first: in proportion to 1 / rank ** *exponent*."""
    weights = [rank**-exponent for rank in range(1, things + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]
