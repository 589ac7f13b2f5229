"""A user's old data, sent by `make ingest` through the whole pipeline."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.settings import ROOT

FIRST = datetime(2014, 2, 27)
DAYS = ("2014-02-27", "2014-02-28", "2014-03-01")
TIMEOUT = 90


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three days of a pump, every ten minutes, as an old data logger wrote them."""
    lines = ["Zeitpunkt;Messwert;Bemerkung"]
    for number in range(3 * 144):
        moment = FIRST + timedelta(minutes=10 * number)
        value = f"{1_003.25 + 40 * math.sin(number / 23):,.2f}".translate(str.maketrans(",.", ".,"))
        lines.append(f'{moment:%d.%m.%Y %H:%M};{value};"Öl; geprüft"')
    path = tmp_path / "Pumpe 7.csv"
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))
    return path


def test_a_data_set_of_years_ago_becomes_the_report_that_a_few_lines_of_python_compute(
    sandbox: dict[str, Any], file: Path
) -> None:
    device = f"pump-{os.urandom(4).hex()}"
    options = ["MAP=ts=Zeitpunkt,value=Messwert", f"SET=device_id={device},metric=level,unit=mm", "TIME=%d.%m.%Y %H:%M"]
    command = ["make", "--assume-old=.venv/run", "ingest", f"FILE={file}", *options, "DECIMAL=,", "ENCODING=cp1252"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "432 lines sent, 0 refused" in done.stdout
    computed = _computed(file, device)
    for day in DAYS:
        rows = _reported(sandbox["pipeline-app"]["api"], day, device)
        assert [_without_mean(row) for row in rows] == [_without_mean(row) for row in computed[day]]
        assert [row["avg"] for row in rows] == pytest.approx([row["avg"] for row in computed[day]])


def test_a_file_with_refused_lines_exits_with_an_error(sandbox: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "half.csv"
    file.write_text("ts,value\n2014-02-27,1\n2014-02-27,n/a\n")
    options = [f"FILE={file}", "SET=device_id=pump-half,metric=level"]

    done = subprocess.run(
        ["make", "--assume-old=.venv/run", "ingest", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "1 lines sent, 1 refused" in done.stdout
    assert "line 3: value “n/a” is not a number" in done.stdout


def test_a_corrected_export_counts_once_and_replaces_a_value_on_request(
    sandbox: dict[str, Any], tmp_path: Path
) -> None:
    device, day = f"pump-{os.urandom(4).hex()}", "2014-03-05"
    first, corrected = tmp_path / "first.csv", tmp_path / "corrected.csv"
    first.write_text(f"ts,Price ($)\n{day}T10:00Z,1\n{day}T10:01Z,20\n")
    corrected.write_text(f"ts,Price ($)\n{day}T10:02Z,3\n{day}T10:00Z,1\n{day}T10:01Z,2\n")
    options = ["MAP=value=Price ($)", f"SET=device_id={device},metric=level"]

    for arguments, hour in (
        ([f"FILE={first}"], (2, 20)),
        ([f"FILE={corrected}"], (3, 20)),
        ([f"FILE={corrected}", "REPLACE=1"], (3, 3)),
    ):
        command = ["make", "--assume-old=.venv/run", "ingest", *options, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        _until_reported(sandbox, "hourly", day, device, {"count": hour[0], "max": hour[1]})

    _until_reported(sandbox, "conflicts", day, device, {"value": 2, "highest": 20, "corrected": True})


def _until_reported(sandbox: dict[str, Any], report: str, day: str, device: str, expected: dict[str, Any]) -> None:
    """Wait until the one row of *device* in the report of *day* has the *expected* values."""
    url, query = f"{sandbox['pipeline-app']['api']}/reports/{report}", {"period": day, "device_id": device}
    until, found = time.monotonic() + TIMEOUT, None
    while time.monotonic() < until and found != [expected]:
        answer = httpx.get(url, params=query)
        rows = answer.json()["rows"] if answer.status_code == 200 else []
        found = [{name: row[name] for name in expected} for row in rows]
        time.sleep(0.5)
    assert found == [expected]


def _computed(file: Path, device: str) -> dict[str, list[dict[str, Any]]]:
    hours = defaultdict(list)
    for line in file.read_text("cp1252").splitlines()[1:]:
        moment, value, *_ = line.split(";")
        hour = datetime.strptime(moment, "%d.%m.%Y %H:%M").replace(minute=0)
        hours[hour].append(float(value.replace(".", "").replace(",", ".")))
    days = defaultdict(list)
    for hour, values in sorted(hours.items()):
        numbers = {"count": len(values), "min": min(values), "max": max(values), "avg": sum(values) / len(values)}
        days[f"{hour:%Y-%m-%d}"].append(
            {"device_id": device, "metric": "level", "hour": f"{hour.isoformat()}Z", **numbers}
        )
    return days


def _reported(api: str, day: str, device: str) -> list[dict[str, Any]]:
    """Return the rows of *device* in the hourly report of *day* when it has the whole day."""
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        answer = httpx.get(f"{api}/reports/hourly", params={"period": day, "device_id": device})
        rows: list[dict[str, Any]] = answer.json()["rows"] if answer.status_code == 200 else []
        if sum(row["count"] for row in rows) >= 144:
            return rows
        time.sleep(0.5)
    raise AssertionError(f"there is no report of {day}: {answer.status_code} {answer.text[:300]}")


def _without_mean(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "avg"}
