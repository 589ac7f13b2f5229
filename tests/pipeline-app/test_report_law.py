"""The law of the reports, through the real cleansing, runs and statements: `python -m bench report_law`, but small."""

from __future__ import annotations

import random

from bench.report_law import play
from bench.report_law.records import HOUR, differences, expected, generate


def test_every_record_is_in_the_reports_once_and_the_first_to_arrive_counts() -> None:
    sent = generate(300, random.Random(2))

    pipeline = play(sent, 24 * HOUR, seed=2)

    assert pipeline.cut_off
    assert differences(pipeline.rows(), expected(sent)) == []
