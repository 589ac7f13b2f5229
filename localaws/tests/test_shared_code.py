"""The folder of code that execution environments share."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localaws.lambda_ import shared_code


def test_environments_that_start_at_once_share_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = tempfile.TemporaryDirectory

    def make_slowly(prefix: str) -> Any:
        time.sleep(0.05)  # so that all threads are here at once, unless they wait for each other
        return make(prefix=prefix, dir=tmp_path)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", make_slowly)
    shared_code._folder.cache_clear()

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: shared_code._shared(), range(8)))

    assert len(set(folders)) == 1
    assert Path(folders[0]).is_dir()
    shared_code._folder.cache_clear()
