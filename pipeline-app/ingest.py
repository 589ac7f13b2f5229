"""Sends a file of somebody's own readings to the pipeline: `make ingest FILE=… MAP=… SET=…`. A client of the stream.

CSV and JSON lines are read, gzipped or not. ``--map ts=timestamp,value=reading`` says which column holds a field of a
reading, ``--set device_id=pump-1,unit=C`` what it is on every line; a field that neither names is taken from the column
of its own name. Without a column for ``seq`` the line number is it, so that a file sent twice counts once.

Exit status: 0 all lines are sent, 1 some were refused, 2 the file or the stream did not let us finish.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import msgspec
import readings_file
import stream
from botocore.exceptions import BotoCoreError, ClientError
from conversion import Form, NotReadable
from progress import Progress
from readings_file import Line

_HOPELESS = 100
"""So many lines refused from the beginning on are a mistake in what was said about the file."""
_SHOWN = 5
"""Refused lines that are shown; all of them are in the report."""


class Refusals:
    """The lines that are no readings, in a CSV file at *report*, which is written once there is one."""

    def __init__(self, report: Path) -> None:
        self.report = report
        self.count = 0
        self.first: list[str] = []
        self._file: TextIO | None = None
        report.unlink(missing_ok=True)

    def add(self, line: Line) -> None:
        if self._file is None:
            self._file = self.report.open("w", newline="", encoding="utf-8")
            csv.writer(self._file).writerow(("line", "reason"))
        lines = str(line.first) if line.first == line.last else f"{line.first}-{line.last}"
        csv.writer(self._file).writerow((lines, line.reason))
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(f"line {lines}: {line.reason}")

    def close(self) -> None:
        if self._file:
            self._file.close()


class Ingestion:
    """Sends the readings of a file; counts what is *sent* and keeps what is *refused*."""

    def __init__(self, to: stream.Stream, refused: Refusals, progress: Progress) -> None:
        self._stream = to
        self._progress = progress
        self.refused = refused
        self.sent = 0

    def run(self, lines: Iterator[Line]) -> None:
        """Send *lines*. Raises NotReadable and stream.StreamBusy."""
        started = time.monotonic()
        for count in self._stream.send(self._records(lines)):
            self.sent += count
            rate = self.sent / (time.monotonic() - started)
            self._progress.show(f"{self.sent:,} sent, {rate:,.0f}/s, {self.refused.count:,} refused")
        self._progress.end()

    def _records(self, lines: Iterator[Line]) -> Iterator[stream.Record]:
        hopeful = False
        for line in lines:
            if line.reading is None:
                self.refused.add(line)
                if not hopeful and self.refused.count == _HOPELESS:
                    raise NotReadable(f"none of the first {_HOPELESS} lines is a reading, so nothing was sent")
            else:
                hopeful = True
                yield stream.Record(line.reading["device_id"], msgspec.json.encode(line.reading))


def main() -> int:
    arguments = _arguments()
    started = time.monotonic()
    refused = Refusals(arguments.refused or Path(f"{arguments.file}.refused.csv"))
    ingestion = Ingestion(stream.connect(arguments.stream), refused, Progress())
    failure = None
    try:
        form = Form(arguments.map, arguments.set, arguments.time, arguments.tz, arguments.decimal, arguments.encoding)
        print(f"Times that name no offset are read as {arguments.tz.key} (TZ=… for another zone).")
        ingestion.run(readings_file.read(arguments.file, form))
    except (NotReadable, stream.StreamBusy, ClientError, BotoCoreError) as error:
        failure = str(error)
    refused.close()
    seconds = time.monotonic() - started
    print(f"{ingestion.sent:,} lines sent, {refused.count:,} refused, in {seconds:.1f} s.")
    for line in refused.first:
        print(f"  {line}")
    if refused.count:
        print(f"Every refused line and its reason: {refused.report}")
    if failure:
        print(f"Stopped: {failure}", file=sys.stderr)
        return 2
    return 1 if refused.count else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Send a CSV or JSON-lines file of readings to the pipeline.")
    parser.add_argument("stream", help="name of the Kinesis stream")
    parser.add_argument("file", type=Path)
    parser.add_argument("--map", type=_pairs, default={}, metavar="FIELD=COLUMN,…", help="columns that hold fields")
    parser.add_argument("--set", type=_pairs, default={}, metavar="FIELD=VALUE,…", help="fields that are constant")
    parser.add_argument("--time", metavar="PATTERN", help="how times are written, as strptime says; or s, ms, us, ns")
    parser.add_argument("--tz", type=_zone, default="UTC", metavar="ZONE", help="zone of times without an offset")
    parser.add_argument("--decimal", choices=(".", ","), default=".", help="the decimal mark")
    parser.add_argument("--encoding", help="of the text, if it is not UTF-8")
    parser.add_argument("--refused", type=Path, help="where to report refused lines; FILE.refused.csv by default")
    return parser.parse_args()


def _pairs(text: str) -> dict[str, str]:
    """Return the pairs of ``a=b,"c=d, e"``."""
    pairs = [item.partition("=") for item in next(csv.reader([text], skipinitialspace=True), [])]
    if not all(name and equals for name, equals, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value,name=value")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} is no time zone, as Europe/Paris is one") from error


if __name__ == "__main__":
    sys.exit(main())
