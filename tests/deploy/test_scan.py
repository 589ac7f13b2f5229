"""`make scan`: what the tools know of the locked versions, and what they could not check."""

from __future__ import annotations

import json
from subprocess import CompletedProcess
from typing import Any

import pytest

from deploy import scan

type Answers = dict[str, CompletedProcess[str] | FileNotFoundError]

CLEAN = {"dependencies": [{"name": "boto3", "version": "1.0", "vulns": []}]}
NOTHING: Answers = {
    "pip-audit": CompletedProcess([], 0, json.dumps(CLEAN), ""),
    "npm": CompletedProcess([], 0, json.dumps({"vulnerabilities": {}}), ""),
}


def scanned(monkeypatch: pytest.MonkeyPatch, answers: Answers) -> str | None:
    """The result of the command, with the *answers* of its tools."""

    def run(command: list[str], **_options: Any) -> CompletedProcess[str]:
        answer = answers[command[0].rpartition("/")[2]]
        if isinstance(answer, FileNotFoundError):
            raise answer
        return answer

    monkeypatch.setattr(scan.subprocess, "run", run)
    return scan.main()


def test_nothing_is_known_of_the_locked_versions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scanned(monkeypatch, NOTHING) is None
    assert capsys.readouterr().out.splitlines() == [
        f"{lock}: 0 known vulnerabilities" for lock in (scan.REQUIREMENTS, *scan.NPM_LOCKS)
    ]


def test_a_version_that_is_known_to_be_bad_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pillow = {"name": "pillow", "version": "9.0.0", "vulns": [{"id": "PYSEC-2022-10", "fix_versions": ["9.0.1"]}]}
    cause = {"title": "Prototype pollution", "url": "https://github.com/advisories/GHSA-1"}
    node = {"esbuild": {"range": "<1.2", "via": [cause]}, "tsx": {"range": "*", "via": ["esbuild"]}}
    answers: Answers = {
        "pip-audit": CompletedProcess([], 1, json.dumps({"dependencies": [pillow]}), "Found 1 known vulnerability"),
        "npm": CompletedProcess([], 1, json.dumps({"vulnerabilities": node}), ""),
    }

    failure = scanned(monkeypatch, answers)

    assert failure == "scan failed: 3 known vulnerabilities, listed above: make lock UPGRADE=1 takes newer versions"
    lines = capsys.readouterr().out.splitlines()
    assert "  pillow 9.0.0: PYSEC-2022-10, mended in 9.0.1" in lines
    assert "  esbuild <1.2: Prototype pollution https://github.com/advisories/GHSA-1" in lines


@pytest.mark.parametrize(
    ("tool", "answer", "reason"),
    [
        (
            "pip-audit",
            CompletedProcess([], 1, "", "Traceback\nConnectionError: api.osv.dev"),
            "ConnectionError: api.osv.dev",
        ),
        (
            "npm",
            CompletedProcess([], 1, json.dumps({"message": "405 Not Allowed"}), ""),
            "405 Not Allowed",
        ),
        ("npm", FileNotFoundError(), "npm is not installed"),
    ],
)
def test_what_could_not_be_checked_is_not_called_clean(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tool: str,
    answer: CompletedProcess[str] | FileNotFoundError,
    reason: str,
) -> None:
    failure = scanned(monkeypatch, {**NOTHING, tool: answer})

    unchecked = 1 if tool == "pip-audit" else len(scan.NPM_LOCKS)
    assert failure == f"scan failed: {unchecked} of 3 lock files not checked: connect to osv.dev and npm's registry"
    lines = [line for line in capsys.readouterr().out.splitlines() if ": not checked: " in line]
    assert len(lines) == unchecked
    assert all(line.endswith(reason) for line in lines)
