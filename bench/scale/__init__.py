"""What arithmetic alone does not tell of the limits: shards, caches and concurrency. docs/scale.md has the tables.

Each part has a closed form where there is one, which a test compares with the simulation (tests/common/test_scale.py).
Everything is seeded, so each run prints the same.
"""

from __future__ import annotations

from bench.scale import caches, concurrency, shards


def run() -> None:
    """Print all tables."""
    for part in (shards, caches, concurrency):
        part.show()
