"""The comparison with recorded answers of AWS: verdicts, the list of known differences, and the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localaws.parity import bare, differences, report, suites
from localaws.parity.differences import Difference
from localaws.parity.suites import Result, Suite

SUITE = Suite("Queues", "localstack", ["tests/queues"], "queues", without=[{"cases": "fifo", "because": "FIFO queues"}])
CHANGED = [{"path": "created: root['State']", "aws": "'Creating'", "here": "'Enabled'"}]


def result(
    case: str, outcome: str = "passed", error: str = "", differences: list[dict[str, str]] | None = None
) -> Result:
    return Result(case, outcome, error, differences or [])


@pytest.mark.parametrize(
    ("outcome", "error", "verdict"),
    [
        ("passed", "", "equal"),
        ("skipped", "", "skipped"),
        ("failed", "Failed: DID NOT RAISE <class 'ClientError'>", "accepts"),
        ("failed", "Failed: Timeout (>60.0s) from pytest-timeout.", "late"),
        ("failed", "SnapshotAssertionError: Parity snapshot failed", "answer"),
        ("failed", "ClientError: An error occurred (InvalidAction)", "other"),
    ],
)
def test_verdict(outcome: str, error: str, verdict: str) -> None:
    assert result("a", outcome, error).verdict == verdict


def test_a_case_is_equal_in_full_only_if_nothing_at_all_differs() -> None:
    assert result("a").equal_in_full
    assert not result("a", differences=CHANGED).equal_in_full


def test_new_healed_and_missing_cases_are_surprises() -> None:
    listed = [Difference("…", "…", ["listed", "healed", "missing"])]
    results = {
        "listed": result("listed", "failed", "AssertionError"),
        "healed": result("healed"),
        "new": result("new", "failed", "SnapshotAssertionError", CHANGED),
        "equal": result("equal"),
        "skipped": result("skipped", "skipped"),
    }

    lines = list(differences.surprises(results, listed))

    assert lines == [
        "healed: healed: remove it from the list",
        "new: new: created: root['State']: AWS 'Creating', here 'Enabled'",
        "gone: missing is listed but did not run",
    ]


def test_a_case_is_listed_once(tmp_path: Path) -> None:
    file = tmp_path / "queues.toml"
    entry = '[[difference]]\nbecause = "…"\nconsequence = "…"\ncases = ["a"]\n'
    file.write_text(entry + entry)

    with pytest.raises(ValueError, match="lists a twice"):
        differences.known(SUITE, tmp_path)


def test_the_page_counts_cases_and_tells_the_consequence_of_each_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    results = {
        "a": result("a"),
        "b": result("b", differences=CHANGED),
        "c": result("c", "failed", "SnapshotAssertionError", CHANGED),
        "d": result("d", "skipped"),
    }
    listed = [Difference("queues start at once", "wait for them", ["c"])]
    monkeypatch.setattr(report, "known", lambda _suite: listed)

    page = report.page([(SUITE, results)], {"Queues": 1})

    assert "| Queues | queues | 4 | 3 | 1 | 2 | 1 | 66 % |" in page
    assert "| Queues | 1 | queues start at once | wait for them |" in page
    assert "* Queues: FIFO queues" in page


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(suites.Unusable, match="AWS_CASES names"):
        suites.origin_of(tmp_path)


def test_the_committed_lists_fit_together() -> None:
    every = {suite.name: suite for suite in suites.load()}

    assert all(re.compile(suite.left_out) for suite in every.values())
    assert {file.stem for file in (suites.HERE / "known").glob("*.toml")} <= {suite.slug for suite in every.values()}
    assert all(differences.known(suite) is not None for suite in every.values())
    assert bare.load().keys() <= every.keys()
