"""What arithmetic alone does not tell of the limits: shards, caches and concurrency. docs/scale.md has the tables.

Each part has a closed form where there is one, which a test compares with the simulation (tests/common/test_scale.py).
Everything is seeded, so each run prints the same. The trials on the local AWS at the end differ from run to run.
"""

from __future__ import annotations

from bench.scale import caches, concurrency, shards, trials


def run() -> None:
    """Print all tables."""
    for part in (shards, caches, concurrency, trials):
        part.show()
