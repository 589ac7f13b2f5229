"""The law of the reports at a million records: `python -m bench report_law`.

Every record is in the reports exactly once: accepted, a duplicate, or bad. Of the records of a reading the first to
arrive counts, or the one that was corrected last.

The records go through the app's own cleansing, and arrive in Parquet as Firehose writes it. The app's own runs make the
reports, with its statements on the local Athena. Buckets and tables are in memory, and a clock is moved through three
days. Records are repeated, late by up to a week, and bad; Firehose delivers batches twice, and announces objects late,
twice and in another order; two functions run at once; and every third call is cut off somewhere. Then each row of each
report is compared with what `records.expected` counts from what was sent, without the app.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence

from bench.report_law.pipeline import Pipeline
from bench.report_law.records import HOUR, Sent, differences, expected, generate

_COUNT = 1_000_000
_STEP = 2 * HOUR
"""Firehose delivers once in this time, and then the messages that are due are handled."""
_RECORDS_FOR_RATE = 2000
"""`ReportRate` is a byte a second for so many records: hours and days wait for as long as those of a large stage."""


def run() -> None:
    """Print what happened. Exit with the differences if the reports are not what they must be."""
    started = time.monotonic()
    sent = generate(_COUNT, random.Random(1))  # noqa: S311
    pipeline = play(sent, _STEP, 1)
    wanted = expected(sent)
    readings = Counter(each.reading for each in sent if each.reading)
    firehose, athena = pipeline.firehose, pipeline.athena
    print(
        f"{len(sent):,} records: {len(readings):,} readings, {readings.total() - len(readings):,} duplicates,"
        f" {len(sent) - readings.total():,} bad. Firehose delivered {firehose.repeated:,} twice,"
        f" and cleanse sent {firehose.resent:,} again.\n"
        f"{pipeline.objects:,} objects of {firehose.bytes / 1e6:,.1f} MB."
        f" {pipeline.calls:,} calls, of which {pipeline.cut_off:,} were cut off."
        f" {len(athena.executions):,} statements opened {athena.opened:,} files and scanned"
        f" {athena.scanned / 1e6:,.1f} MB, {athena.scanned / firehose.bytes:.1f} times the bytes."
    )
    if wrong := differences(pipeline.rows(), wanted):
        sys.exit("\n".join([f"{len(wrong)} reports are wrong:", *wrong[:20]]))
    rows = sum(map(len, wanted.values()))
    print(f"All {rows:,} rows of {len(wanted)} reports are as they must be, after {time.monotonic() - started:,.0f} s.")


def play(sent: Sequence[Sent], step: int, seed: int) -> Pipeline:
    """Return the pipeline after it has got and reported all records, which it gets once in *step* milliseconds."""
    pipeline = Pipeline(max(1, len(sent) // _RECORDS_FOR_RATE), random.Random(seed))  # noqa: S311
    now = 0
    for turn, some in itertools.groupby(sent, key=lambda each: each.arrived_at // step):
        now = (turn + 1) * step
        pipeline.deliver(some, now)
    pipeline.deliver((), now + HOUR)  # what was sent again
    pipeline.end()
    return pipeline
