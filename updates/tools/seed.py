"""Releases demo versions: `python -m tools.seed` in the folder updates. sandbox/demo/seed.py says what it reads."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

from deploy.publish import Publisher

_RELEASES = (("1.0.0", "stable"), ("1.1.0", "stable"), ("2.0.0b1", "beta"))


def main() -> None:
    """Release packages of random bytes as a team does. Releases that are already there stay."""
    seeding = json.load(sys.stdin)
    publisher, root_key = Publisher(seeding["stage"]), Path(seeding["outputs"]["root_key"])
    with tempfile.TemporaryDirectory() as packages:
        for version, channel in _RELEASES:
            package = Path(packages) / f"app-{version}.bin"
            package.write_bytes(random.Random(version).randbytes(300_000))  # noqa: S311  # the same each time
            publisher.release(package, version, channel, root_key=root_key)


if __name__ == "__main__":
    main()
