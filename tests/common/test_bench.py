"""`make bench`: all benchmarks run, whatever becomes of the others, and the tables have what they measured."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import figures
from bench.row import Row, Unmeasured, turns

MACHINE = "Measured on a machine."
MET = Row("a page", [1.0, 2.0, 3.0], "another", [2.0, 2.0, 2.0], "ms", at_most=1.5, binds="the disk", short=True)
MISSED = Row("a photo", [3.0], "sharp", [2.0], "ms", at_most=1, binds="the decoder")


def test_a_ratio_is_the_median_of_the_rounds_with_its_spread() -> None:
    assert figures.line(MET) == "a page: 2.00 ms, another 2.00   ratio 1.00 (0.50 to 1.50)   at most 1.5: met"
    assert figures.line(MISSED) == "a photo: 3.00 ms, sharp 2.00   ratio 1.50 (1.50 to 1.50)   at most 1: missed"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"peer": ""}, "has a peer"),
        ({"there": [1.0, 2.0]}, "every round"),
        ({"here": [], "there": []}, "every round"),
        ({"there": [0.0]}, "no ratio to 0"),
        ({"at_least": 2, "binds": ""}, "says what limits it"),
    ],
    ids=["no peer", "another number of rounds", "no round", "nothing", "an aim without what limits it"],
)
def test_a_row_that_says_too_little_is_refused(row: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Row(**{**asdict(MISSED), **row})  # type: ignore[arg-type]


def test_measures_take_turns_and_each_second_round_is_the_other_way_round() -> None:
    order: list[str] = []

    def measure(name: str) -> str:
        order.append(name)
        return name * len(order)

    results = turns(2, lambda: measure("a"), lambda: measure("b"))

    assert order == ["a", "b", "b", "a"]
    assert results == [["a", "aaaa"], ["bb", "bbb"]]


def test_the_page_has_each_row_and_says_what_limits_those_that_miss_their_aim() -> None:
    page = figures.page({"pages": [MET], "photos": [MISSED]}, {"edge": "needs nginx"}, MACHINE)

    assert page.startswith(MACHINE)
    assert re.search(r"The peers are .*flask [\d.]+, .*moto [\d.]+, .*sharp [\d.]+,", page)
    assert "| a page | 2.00 ms | another | 2.00 ms | 1.00 (0.50 to 1.50) | at most 1.5: met |" in page
    assert "| a photo | 3.00 ms | sharp | 2.00 ms | 1.50 (1.50 to 1.50) | at most 1: missed (1) |" in page
    assert "(1) the decoder\n" in page
    assert "the disk" not in page
    assert "* edge: needs nginx\n" in page


def test_the_readme_has_the_short_rows() -> None:
    short = figures.short({"pages": [MET], "photos": [MISSED]}, MACHINE)

    assert "| a page | 2.00 ms | another | 2.00 ms | 1.00 (0.50 to 1.50) |" in short
    assert "a photo" not in short


def test_only_what_is_between_the_marks_is_replaced() -> None:
    for file in (figures.PAGE, figures.README):
        before, _, rest = file.read_text().partition("<!-- make bench")
        after = rest.rpartition("-->")[2]

        written = figures.between_marks(figures.between_marks(file.read_text(), "first"), "second")

        assert written.startswith(before)
        assert written.endswith(after)
        assert "second" in written
        assert "first\n" not in written.removeprefix(before).removesuffix(after)


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks are missing"):
        figures.between_marks("# Figures", "part")


def test_the_machine_is_described_without_its_name_and_its_paths() -> None:
    machine = figures.machine()

    assert "cores" in machine
    assert "Python" in machine
    assert "/" not in machine.replace("@ ", "")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The names of the benchmarks that ran. *edge* fails, *cleanse* cannot run, the others give a row."""
    ran: list[str] = []
    ends = {
        "edge": (1, "import sys; print('Traceback', file=sys.stderr); sys.exit('ValueError: no photo')"),
        "cleanse": (bench.CANNOT, "import sys; print('needs Linux', file=sys.stderr); sys.exit(3)"),
    }
    popen = subprocess.Popen

    def start(command: list[str], **options: int) -> subprocess.Popen[bytes]:
        name, file = command[3], Path(command[-1])
        ran.append(name)
        if name not in ends:
            file.write_text(json.dumps([asdict(MET)]))
        return popen([sys.executable, "-c", ends.get(name, (0, ""))[1]], **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(subprocess, "Popen", start)
    for name in ("PAGE", "README"):
        copy = tmp_path / name
        copy.write_text(getattr(figures, name).read_text())
        monkeypatch.setattr(figures, name, copy)
    return ran


def test_a_benchmark_that_fails_is_named_at_the_end_and_the_others_are_written(
    run: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^failed: edge \(all of it: python -m bench edge\)$"):
        bench.main([])

    assert run == list(bench.BENCHMARKS)
    printed = capfd.readouterr()
    assert "edge: ValueError: no photo" in printed.err
    assert f"{len(run) - 2} rows" in printed.out
    written = figures.PAGE.read_text()
    assert "* edge: failed\n" in written
    assert "* cleanse: needs Linux\n" in written
    assert written.count("| a page |") == len(run) - 2


def test_a_benchmark_that_cannot_run_here_keeps_its_rows_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows() -> Iterator[Row]:
        yield MET
        raise Unmeasured("needs nginx")

    monkeypatch.setattr(import_module("bench.edge"), "rows", rows)

    assert bench.main(["edge", "--json", str(tmp_path / "rows")]) == bench.CANNOT

    assert [Row(**row) for row in json.loads((tmp_path / "rows").read_text())] == [MET]
    assert capsys.readouterr().err == "needs nginx\n"


@pytest.mark.parametrize("name", bench.BENCHMARKS)
def test_each_benchmark_yields_rows(name: str) -> None:
    returned = inspect.signature(import_module(f"bench.{name}").rows, eval_str=True).return_annotation

    assert returned == Iterator[Row]
