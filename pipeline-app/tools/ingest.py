"""Sends a user's file of readings to the pipeline: `make ingest FILE=… MAP=… SET=…`. A client of the stream.

Reads CSV and JSON lines, gzipped or not. ``--map ts=timestamp,value=reading`` names the column of a field,
``--set device_id=pump-1,unit=C`` the value of a field on every line. A field that neither names is read from the column
of its own name.

Without a column for ``seq``, a line is known by its device, metric and time, so the same line counts once, in this file
or in another. Another value for the same time is a conflict: the first one counts, unless ``--replace`` is given.

Exit status: 0 all lines were sent, 1 some lines are not readings, 2 the file or the stream failed.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, TextIO

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.stream_records import key_of
from tools import readings_file, sender
from tools.conversion import FileFormat, UnreadableFile
from tools.progress import Progress
from tools.readings_file import Line

_MAX_INVALID_START = 100
"""If so many lines at the start are not readings, the description of the file is wrong."""
_MAX_KNOWN = 1_000_000
"""Readings of a file that are remembered, to find two lines with one time: about 120 MB."""
_MAX_SHOWN = 5
"""Refused lines that are printed. The report has all of them."""


class RefusedLines:
    """The lines that are not readings. They go to a CSV file at *report*, which is created with the first."""

    def __init__(self, report: Path) -> None:
        self.report = report
        self.count = 0
        self.first: list[str] = []
        self._file: TextIO | None = None
        report.unlink(missing_ok=True)

    def add(self, line: Line, reason: str) -> None:
        """Write a line to the report."""
        if self._file is None:
            self._file = self.report.open("w", newline="", encoding="utf-8")
            csv.writer(self._file).writerow(("line", "reason"))
        lines = str(line.first) if line.first == line.last else f"{line.first}-{line.last}"
        csv.writer(self._file).writerow((lines, reason))
        self.count += 1
        if len(self.first) < _MAX_SHOWN:
            self.first.append(f"line {lines}: {reason}")

    def close(self) -> None:
        """Close the report."""
        if self._file:
            self._file.close()


class Ingestion:
    """Sends the readings of a file. Counts those *sent* and those of them *repeated*, and reports those *refused*.

    With *replace*, the time of the import in milliseconds, its values replace those that are there already.
    """

    def __init__(
        self, to: sender.Sender, refused: RefusedLines, progress: Progress, replace: int | None = None
    ) -> None:
        self._sender = to
        self._progress = progress
        self._replace = replace
        self._values: dict[int, tuple[float, int]] = {}
        self.refused = refused
        self.sent = 0
        self.repeated = 0

    def run(self, lines: Iterator[Line]) -> None:
        """Send *lines*. Raises UnreadableFile, SendFailed."""
        started = time.monotonic()
        for count in self._sender.send(self._entries(lines)):
            self.sent += count
            rate = self.sent / (time.monotonic() - started)
            self._progress.show(f"{self.sent:,} sent, {rate:,.0f}/s, {self.refused.count:,} refused")
        self._progress.end()

    def _entries(self, lines: Iterator[Line]) -> Iterator[sender.Entry]:
        has_reading = False
        for line in lines:
            reading = line.reading
            reason = line.reason if reading is None else self._compared(reading)
            if reading is None or reason:
                self.refused.add(line, reason)
                if not has_reading and self.refused.count == _MAX_INVALID_START:
                    raise UnreadableFile(
                        f"none of the first {_MAX_INVALID_START} lines is a reading, so nothing was sent"
                    )
            else:
                has_reading = True
                yield sender.Entry(key_of(reading["device_id"]), msgspec.json.encode(reading))

    def _compared(self, reading: dict[str, Any]) -> str:
        """Compare *reading* with the earlier lines. Return why it cannot be sent, or nothing.

        Adds ``corrected_at`` to a reading that replaces others. It grows with each further value of one time.
        """
        key, value = hash(tuple(reading[name] for name in ("device_id", "metric", "ts", "seq"))), reading["value"]
        known, changes = self._values.get(key, (value, 0))
        if known != value and self._replace is None:
            return f"an earlier line has {known:g} for the same time; set REPLACE=1 if the later line is right"
        self.repeated += key in self._values and known == value
        changes += known != value
        self._values[key] = value, changes
        if len(self._values) > _MAX_KNOWN:
            del self._values[next(iter(self._values))]
        if self._replace is not None:
            reading["corrected_at"] = self._replace + changes
        return ""


def main() -> int:
    arguments = _arguments()
    started = time.monotonic()
    refused = RefusedLines(arguments.refused or Path(f"{arguments.file}.refused.csv"))
    replace = round(time.time() * 1000) if arguments.replace else None
    ingestion = Ingestion(sender.connect(arguments.stream), refused, Progress(), replace)
    failure = None
    try:
        file_format = FileFormat(
            arguments.map, arguments.set, arguments.time, arguments.tz, arguments.decimal, arguments.encoding
        )
        print(f"Times without an offset are read as {arguments.tz}. Set TZ= for another zone.")
        ingestion.run(readings_file.read(arguments.file, file_format))
    except (UnreadableFile, sender.SendFailed, ClientError, BotoCoreError) as error:
        failure = str(error)
    refused.close()
    seconds = time.monotonic() - started
    print(f"{ingestion.sent:,} lines sent, {refused.count:,} refused, in {seconds:.1f} s.")
    if ingestion.repeated:
        print(f"{ingestion.repeated:,} of them repeat an earlier line, so they count as duplicates.")
    for line in refused.first:
        print(f"  {line}")
    if refused.count:
        print(f"Every refused line and its reason: {refused.report}")
    if ingestion.sent and not arguments.replace:
        print("A time that the pipeline has with another value keeps it: see the report “conflicts”, and REPLACE=1.")
    if failure:
        print(f"Stopped: {failure}", file=sys.stderr)
        return 2
    return 1 if refused.count else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Send a CSV or JSON-lines file of readings to the pipeline.")
    parser.add_argument("stream", help="name of the Kinesis stream")
    parser.add_argument("file", type=Path)
    parser.add_argument("--map", type=_pairs, default={}, metavar="FIELD=COLUMN,…", help="columns of fields")
    parser.add_argument(
        "--set", type=_pairs, default={}, metavar="FIELD=VALUE,…", help="values of fields on every line"
    )
    parser.add_argument(
        "--time", metavar="PATTERN", help="strptime pattern of times, or their unit since 1970: s, ms, us, ns"
    )
    parser.add_argument(
        "--tz",
        type=_zone,
        default="UTC",
        metavar="ZONE",
        help="time zone, or offset such as +02:00, of times without an offset",
    )
    parser.add_argument("--decimal", choices=(".", ","), help="the decimal mark; default: a point")
    parser.add_argument(
        "--replace", action="store_true", help="replace the values that the pipeline has for the same times"
    )
    parser.add_argument("--encoding", help="encoding of the text; default: UTF-8")
    parser.add_argument(
        "--refused", type=Path, help="CSV file for refused lines and their reasons; default: FILE.refused.csv"
    )
    return parser.parse_args()


def _pairs(text: str) -> dict[str, str]:
    """Return the pairs of ``a=b,"c=d, e"``."""
    pairs = [item.partition("=") for item in next(csv.reader([text], skipinitialspace=True), [])]
    if not all(name and equals for name, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value,name=value")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _zone(name: str) -> tzinfo:
    try:
        if name.startswith(("+", "-")):
            return datetime.strptime(name, "%z").tzinfo or UTC
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} is not a time zone such as Europe/Paris or +02:00") from error


if __name__ == "__main__":
    sys.exit(main())
