"""`python -m bench`: the command, not the measures."""

from __future__ import annotations

import sys

import pytest

from bench.__main__ import main


def test_a_benchmark_names_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "reload"])
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "bench.reload", raising=False)

    with pytest.raises(SystemExit, match=r"^There is no package httpx\. Install .+: make \.venv/test$"):
        main()
