"""Files of users: the readings in them, and the messages for lines that are not readings."""

from __future__ import annotations

import argparse
import base64
import contextlib
import csv
import gzip
import io
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib import readings as rules
from chalicelib.stream_records import from_kinesis
from tools import ingest, readings_file
from tools.conversion import FileFormat, UnreadableFile
from tools.progress import Progress
from tools.sender import Entry

ROOT = Path(__file__).parent.parent.parent
MAX_SEQ = 2**63 - 1
CONSTANTS = {"device_id": "pump-1", "metric": "temperature", "unit": "C"}
COLUMNS = {"ts": "timestamp", "value": "reading"}

# One file serves all examples.
FUZZ = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])

type Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "readings.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def form(**options: Any) -> FileFormat:
    return FileFormat(**{"columns": COLUMNS, "constants": CONSTANTS, **options})


def readings(path: Path, **options: Any) -> list[dict[str, Any]]:
    lines = list(readings_file.read(path, form(**options)))
    assert all(line.reading for line in lines), lines
    return [line.reading for line in lines if line.reading]


def refusals(path: Path, **options: Any) -> list[tuple[int, int, str]]:
    return [
        (line.first, line.last, line.reason) for line in readings_file.read(path, form(**options)) if not line.reading
    ]


def reason(path: Path, **options: Any) -> str:
    [(_, _, found)] = refusals(path, **options)
    return found


def unreadable(path: Path, **options: Any) -> str:
    with pytest.raises(UnreadableFile) as raised:
        list(readings_file.read(path, form(**options)))
    return str(raised.value)


class TestFile:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_every_dialect_is_read(self, write: Write, delimiter: str, end: str, encoding: str) -> None:
        lines = ("timestamp,reading,note", '2014-01-31 10:00:00,21.5,"a ""b"" c"', "2014-01-31 11:00:00,22,")
        path = write((end.join(lines) + end).replace(",", delimiter).encode(encoding))

        assert readings(path) == [
            {**CONSTANTS, "value": 21.5, "ts": "2014-01-31T10:00:00.000Z", "seq": 0},
            {**CONSTANTS, "value": 22.0, "ts": "2014-01-31T11:00:00.000Z", "seq": 0},
        ]

    def test_a_gzipped_file_is_read(self, write: Write) -> None:
        assert len(readings(write(gzip.compress(b"timestamp,reading\n2014-01-31,1\n")))) == 1

    def test_json_lines_are_read_with_nested_keys(self, write: Write) -> None:
        path = write(
            '{"time": 1391162400, "data": {"t": 21.5}}\n\n{"time": "2014-01-31T10:00:00+02:00", "data": {"t": "7"}}'
        )

        assert [(r["ts"], r["value"]) for r in readings(path, columns={"ts": "time", "value": "data.t"})] == [
            ("2014-01-31T10:00:00.000Z", 21.5),
            ("2014-01-31T08:00:00.000Z", 7.0),
        ]

    def test_a_field_comes_from_the_column_of_its_own_name(self, write: Write) -> None:
        path = write("device_id,metric,value,unit,ts,seq\np-9,pressure,3,bar,2014-01-31T00:00:00Z,17\n")
        [reading] = readings(path, columns={}, constants={})

        moment = "2014-01-31T00:00:00.000Z"
        assert reading == {"device_id": "p-9", "metric": "pressure", "value": 3, "unit": "bar", "ts": moment, "seq": 17}

    @pytest.mark.parametrize(
        ("content", "columns"),
        [
            pytest.param("timestamp,reading\n2014-01-31,1,\n2014-02-01,2,,\n", COLUMNS, id="an empty cell in rows"),
            pytest.param("timestamp,reading,\n2014-01-31,1\n2014-02-01,2\n", COLUMNS, id="an empty cell in the header"),
            pytest.param("timestamp,reading,\n2014-01-31,1,x\n2014-02-01,2,\n", COLUMNS, id="a column without a name"),
            pytest.param("sep=;\r\ntimestamp;reading\r\n2014-01-31;1\r\n2014-02-01;2\r\n", COLUMNS, id="sep=;"),
            pytest.param('\ufeff"sep=|"\ntimestamp|reading\n2014-01-31|1\n2014-02-01|2\n', COLUMNS, id="sep=|"),
            pytest.param(
                'timestamp;"reading\r\n in °C"\n2014-01-31;1\n2014-02-01;2\n',
                {**COLUMNS, "value": "reading in °C"},
                id="a line break in the header",
            ),
            pytest.param(
                ',"a, b",timestamp;x,reading\n0,,2014-01-31,1\n1,,2014-02-01,2\n',
                {**COLUMNS, "ts": "timestamp;x"},
                id="other delimiters in the header",
            ),
        ],
    )
    def test_an_ordinary_export_is_read(self, write: Write, content: str, columns: dict[str, str]) -> None:
        assert [reading["value"] for reading in readings(write(content), columns=columns)] == [1, 2]

    @pytest.mark.parametrize("content", ["", "\n\r\n \n", "\ufeff"])
    def test_an_empty_file_is_an_error(self, write: Write, content: str) -> None:
        assert "is empty" in unreadable(write(content))

    def test_a_header_alone_has_no_readings(self, write: Write) -> None:
        assert readings(write("timestamp,reading\n")) == []

    def test_a_binary_file_is_an_error(self, write: Write) -> None:
        assert "is not text" in unreadable(write(b"PK\x03\x04" + random.Random(1).randbytes(9000)))

    def test_a_json_array_is_an_error(self, write: Write) -> None:
        assert "one JSON array" in unreadable(write('[{"timestamp": 1, "reading": 2}]'))

    def test_a_damaged_archive_is_an_error_after_its_readable_part(self, write: Write) -> None:
        rows = (f"2014-01-31 00:00:00,{random.Random(number).random()}\n" for number in range(9000))
        path = write(gzip.compress(("timestamp,reading\n" + "".join(rows)).encode())[:-2000])
        lines = readings_file.read(path, form())

        assert next(lines).reading
        with pytest.raises(UnreadableFile, match="damaged"):
            list(lines)

    def test_a_missing_file_is_an_error(self, tmp_path: Path) -> None:
        assert "No such file" in unreadable(tmp_path / "none.csv")

    def test_a_missing_column_is_an_error_that_names_the_existing_ones(self, write: Write) -> None:
        message = unreadable(write("time,reading\n2014-01-31,1\n"))

        assert message == "the header has no column “timestamp”; it has “time”, “reading”"

    def test_a_field_without_a_column_is_an_error(self, write: Write) -> None:
        assert "no column for “metric”" in unreadable(write("ts,value\n"), columns={}, constants={"device_id": "p"})

    def test_a_repeated_column_is_an_error(self, write: Write) -> None:
        assert "more than one column “reading”" in unreadable(write("timestamp,reading,reading\n"))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"columns": {"time": "timestamp"}}, "a reading has no “time”"),
            ({"columns": {"unit": "u"}}, "“unit” cannot come from a column and be a constant"),
            ({"decimal": ";"}, "decimal mark"),
        ],
    )
    def test_an_invalid_description_is_an_error(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(UnreadableFile, match=words):
            form(**options)

    def test_an_unknown_encoding_is_an_error(self, write: Write) -> None:
        assert "unknown encoding" in unreadable(write("a,b\n"), encoding="latin-17")


class TestLines:
    def test_ragged_lines_are_refused_and_the_others_read(self, write: Write) -> None:
        path = write("timestamp,reading\n2014-01-31,1\n2014-01-31\n2014-01-31,2,3\n\n,\n2014-01-31,4\n")

        assert refusals(path) == [
            (3, 3, "1 columns, the header has 2"),
            (4, 4, "3 columns, the header has 2"),
            (6, 6, "no value"),
        ]

    def test_the_lines_of_an_unclosed_quote_are_refused(self, write: Write) -> None:
        path = write('timestamp,reading\n2014-01-31,1\n2014-01-31,"2\n2014-01-31,3\n2014-01-31,4\n')
        lines = list(readings_file.read(path, form()))

        assert [(line.first, line.last) for line in lines] == [(2, 2), (3, 5)]
        assert "not CSV" in lines[1].reason

    def test_a_quoted_field_may_contain_line_breaks(self, write: Write) -> None:
        path = write('timestamp,reading,note\n2014-01-31,1,"two\nlines"\n2014-01-31,2,\n')

        assert [reading["value"] for reading in readings(path)] == [1, 2]
        assert [line.first for line in readings_file.read(path, form())] == [2, 4]

    def test_invalid_json_and_json_that_is_not_an_object_is_refused(self, write: Write) -> None:
        path = write('{"timestamp": "2014-01-31", "reading": 1}\n{"timestamp": \n[1]\n{"reading": 1}\n' + "[" * 9000)
        found = [reason for _, _, reason in refusals(path)]

        assert found[1:3] == ["not a JSON object", "no time"]
        assert found[0].startswith("not JSON")
        assert found[3].startswith("not JSON")

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (
                {"device_id": "x" * 300},
                "device_id “xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…” has more than 128 characters",
            ),
            ({"metric": "m" * 65}, "has more than 64 characters"),
            ({"unit": "u" * 33}, "has more than 32 characters"),
            ({"device_id": "a\u0007b"}, "device_id, metric or unit has a control character"),
            ({"reading": 1e308, "unit": "kPa"}, "value “1e+308” is too large in the unit that the pipeline stores"),
            ({"timestamp": "1969-12-31T23:59:59Z"}, "ts “1969-12-31T23:59:59.000Z” is before 1970"),
            ({"timestamp": "9999-12-31T23:59:59Z"}, "ts “9999-12-31T23:59:59.000Z” is in the future"),
        ],
    )
    def test_what_the_pipeline_would_refuse_is_refused_by_line(
        self, write: Write, change: dict[str, Any], words: str
    ) -> None:
        sent = {"device_id": "p", "metric": "m", "timestamp": "2014-01-31", "reading": 1}
        path = write("".join(json.dumps(sent | each) + "\n" for each in ({}, change)))

        [(line, _, found)] = refusals(path, constants={})
        assert (line, words in found) == (2, True), found

    @given(
        st.dictionaries(st.sampled_from(["device_id", "metric", "unit", "ts", "value", "seq"]), st.text() | st.floats())
    )
    @FUZZ
    def test_what_is_not_refused_is_a_reading(self, write: Write, change: dict[str, Any]) -> None:
        sent = {"device_id": "p", "metric": "m", "ts": "2014-01-31", "value": 1} | change

        for line in readings_file.read(write(json.dumps(sent)), FileFormat()):
            if line.reading:
                assert rules.read(json.dumps(line.reading).encode(), round(time.time() * 1000), 1)
            else:
                assert line.reason

    @given(st.text(alphabet="ab,;\t|\"'\n\r =\ufeff0\x00", max_size=60), st.sampled_from(["utf-8", "utf-16"]))
    @FUZZ
    def test_any_text_is_read_or_refused(self, write: Write, text: str, encoding: str) -> None:
        with contextlib.suppress(UnreadableFile):
            list(readings_file.read(write(f"{text}ts,value\n2014-01-31,1{text}\n".encode(encoding)), form(columns={})))

    @given(
        st.sampled_from([",", ";", "\t", "|"]),
        st.sampled_from(["\n", "\r\n", "\r"]),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        st.text(alphabet=" ,;\t|\"'\n\r=ab", max_size=12),
        st.integers(0, 2),
    )
    @FUZZ
    def test_a_dialect_changes_nothing(
        self, write: Write, delimiter: str, end: str, quoting: int, note: str, empty: int
    ) -> None:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
        writer.writerow(["timestamp", f"no;t,e|\t {note}", "reading"])
        writer.writerows([["2014-01-31", note, number, *[""] * empty] for number in (1.25, -2.0)])

        assert [reading["value"] for reading in readings(write(text.getvalue()))] == [1.25, -2]

    def test_text_in_another_encoding_is_refused_until_it_is_set(self, write: Write) -> None:
        path = write("timestamp;reading;unit\n2014-01-31;1;°C\n".encode("cp1252"))
        constants = {"device_id": "p", "metric": "t"}

        assert "ENCODING=" in reason(path, constants=constants)
        assert readings(path, encoding="cp1252", constants=constants)[0]["unit"] == "°C"


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2014-01-31T10:20:30Z", "2014-01-31T10:20:30.000Z"),
            ("2014-01-31T10:20:30.123456+01:00", "2014-01-31T09:20:30.123Z"),
            ("2014-01-31 10:20:30,5", "2014-01-31T10:20:30.500Z"),
            ("2014-01-31 10:20:30 +0100", "2014-01-31T09:20:30.000Z"),
            ("2014-01-31 10:20 UTC", "2014-01-31T10:20:00.000Z"),
            ("2014/1/31 10:20", "2014-01-31T10:20:00.000Z"),
            ("2014-01-31", "2014-01-31T00:00:00.000Z"),
            ("1391163630", "2014-01-31T10:20:30.000Z"),
            ("1391163630.25", "2014-01-31T10:20:30.250Z"),
            ("1391163630250", "2014-01-31T10:20:30.250Z"),
            ("1391163630250000000", "2014-01-31T10:20:30.250Z"),
        ],
    )
    def test_an_unambiguous_time_is_read(self, write: Write, text: str, moment: str) -> None:
        assert readings(write(f'timestamp;reading\n"{text}";1\n'))[0]["ts"] == moment

    @pytest.mark.parametrize(
        "text", ["01/02/2014 10:20", "01.02.2014", "Jan 2 2014", "20140131", "20140131102030", "12"]
    )
    def test_an_ambiguous_time_needs_a_format(self, write: Write, text: str) -> None:
        assert "TIME=" in reason(write(f"timestamp,reading\n{text},1\n"))

    @pytest.mark.parametrize("text", ["2014-02-30", "2014-01-31T25:00", "2014-01-31T10:20:30+99:00", "2014-01-31 10h"])
    def test_a_time_that_does_not_exist_is_refused(self, write: Write, text: str) -> None:
        assert reason(write(f"timestamp,reading\n{text},1\n")).startswith(f"time “{text}”")

    @pytest.mark.parametrize(
        ("pattern", "text"),
        [
            ("%d/%m/%Y %H:%M", "31/01/2014 10:20"),
            ("%m/%d/%y %I:%M %p", "01/31/14 10:20 AM"),
            ("%Y%m%d%H%M", "201401311020"),
        ],
    )
    def test_a_pattern_reads_its_times(self, write: Write, pattern: str, text: str) -> None:
        path = write(f"timestamp,reading\n{text},1\n")

        assert readings(path, time=pattern)[0]["ts"] == "2014-01-31T10:20:00.000Z"

    def test_a_unit_reads_old_times(self, write: Write) -> None:
        path = write("timestamp,reading\n86400,1\n")

        assert readings(path, time="s")[0]["ts"] == "1970-01-02T00:00:00.000Z"
        assert readings(path, time="ms")[0]["ts"] == "1970-01-01T00:01:26.400Z"

    def test_the_zone_applies_to_times_without_an_offset(self, write: Write) -> None:
        path = write("timestamp,reading\n2014-01-31 10:20,1\n2014-07-31 10:20,1\n2014-07-31 10:20Z,1\n")
        times = [reading["ts"][11:16] for reading in readings(path, zone=ZoneInfo("Europe/Paris"))]

        assert times == ["09:20", "08:20", "10:20"]

    @pytest.mark.parametrize(
        ("zone", "text", "words"),
        [
            ("Europe/Paris", "2014-03-30 02:30", "Europe/Paris has no such time: its clock went from +01:00 to +02:00"),
            ("Europe/Paris", "2014-10-26 02:30", "Europe/Paris has it twice; write +02:00 or +01:00 after the time"),
            ("Australia/Lord_Howe", "2014-04-06 01:45", "TZ=+11:00 or TZ=+10:30"),
            ("Pacific/Apia", "2011-12-30 12:00", "has no such time"),
        ],
    )
    def test_a_time_that_a_zone_skips_or_repeats_is_refused_by_line(
        self, write: Write, zone: str, text: str, words: str
    ) -> None:
        path = write(f"timestamp,reading\n{text},1\n{text}+02:00,1\n")

        [(line, _, found)] = refusals(path, zone=ZoneInfo(zone))
        assert line == 2
        assert words in found
        assert (
            readings(path, zone=ingest._zone("+02:00"))[0]["ts"] == readings(path, zone=ingest._zone("+02:00"))[1]["ts"]
        )

    @given(
        st.datetimes(datetime(1971, 1, 1), datetime(2025, 1, 1)), st.sampled_from(["Europe/Paris", "Asia/Gaza", "UTC"])
    )
    @FUZZ
    def test_two_times_of_a_zone_are_never_one(self, write: Write, moment: datetime, zone: str) -> None:
        """What is not refused can be read back: one time of the zone, and one in UTC."""
        path = write(f"timestamp,reading\n{moment.isoformat(timespec='milliseconds')},1\n")
        for line in readings_file.read(path, form(zone=ZoneInfo(zone))):
            if line.reading:
                there = datetime.fromisoformat(line.reading["ts"]).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
                assert there == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            else:
                assert zone in line.reason

    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            ("%d.%m.%Y %H:%M %Z", "%Z cannot be read"),
            ("%d.%m.%Y %I:%M", "needs %p"),
            ("%d.%m.%Y %H:%M %p", "%p has no effect"),
            ("%d.%m. %H:%M", "needs its year"),
            ("%d.%m.%Y %Q", "'Q' is a bad directive"),
        ],
    )
    def test_a_pattern_that_drops_a_part_of_the_time_is_an_error(self, pattern: str, words: str) -> None:
        with pytest.raises(UnreadableFile, match=words):
            form(time=pattern)


class TestNumbers:
    @pytest.mark.parametrize(
        ("decimal", "text", "value"),
        [
            (".", "-1.5e3", -1500),
            (".", "1,234,567.5", 1_234_567.5),
            (".", "+.5", 0.5),
            (",", "1234,5", 1234.5),
            (",", "1.234,5", 1234.5),
            (",", "1 234,5", 1234.5),
            (",", "1.500", 1500),
            (",", "21,500", 21.5),
            (".", "21,500", 21_500),
            (".", "21.500", 21.5),
            (None, "1,234,567", 1_234_567),
            (None, "1,234.5", 1234.5),
            (None, "0.500", 0.5),
            (None, "1234.500", 1234.5),
            (None, "21 500", 21_500),
        ],
    )
    def test_a_number_is_read_with_the_decimal_mark(
        self, write: Write, decimal: str | None, text: str, value: float
    ) -> None:
        assert readings(write(f'timestamp;reading\n2014-01-31;"{text}"\n'), decimal=decimal)[0]["value"] == value

    @pytest.mark.parametrize(
        ("delimiter", "text"), [(",", "21,500"), (",", "-1,500"), (";", "21.500"), (";", "21,500")]
    )
    def test_a_number_with_two_meanings_is_refused_until_the_decimal_mark_is_set(
        self, write: Write, delimiter: str, text: str
    ) -> None:
        path = write(f'timestamp{delimiter}reading\n2014-01-31{delimiter}"{text}"\n')

        assert reason(path).endswith(
            f"may be {text.replace(',', '.')} or {re.sub('[.,]', '', text)}; set DECIMAL=. or DECIMAL=,"
        )
        assert {readings(path, decimal=mark)[0]["value"] for mark in ".,"} == {
            float(text.replace(",", ".")),
            float(re.sub("[.,]", "", text)),
        }

    @given(
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([".", ","]),
        st.sampled_from(["", " ", "\u202f", "m"]),
    )
    @FUZZ
    def test_a_number_is_read_as_it_was_written_or_refused(
        self, write: Write, number: float, decimal: str, separator: str
    ) -> None:
        """Another decimal mark never gives another number without a word."""
        other = "," if decimal == "." else "."
        text = f"{number:,.3f}".translate(str.maketrans(",.", f"{other if separator == 'm' else '_'}{decimal}"))
        path = write(f'timestamp;reading\n2014-01-31;"{text.replace("_", separator)}"\n')

        assert readings(path, decimal=decimal)[0]["value"] == float(f"{number:.3f}")
        for line in readings_file.read(path, form()):
            assert line.reading is None or line.reading["value"] == float(f"{number:.3f}")

    @pytest.mark.parametrize(
        ("text", "seq"),
        [("9223372036854775807", MAX_SEQ), ("-9223372036854775808", -MAX_SEQ - 1), ("1.0", 1), ("7", 7), ("1e3", 1000)],
    )
    def test_a_whole_number_of_64_bits_is_a_seq(self, write: Write, text: str, seq: int) -> None:
        assert readings(write(f"timestamp,reading,seq\n2014-01-31,1,{text}\n"))[0]["seq"] == seq
        assert readings(write(f'{{"timestamp": "2014-01-31", "reading": 1, "seq": {text}}}'))[0]["seq"] == seq

    @pytest.mark.parametrize(
        "text", ["9223372036854775808", "1.5", "x", "1e999999999", "9" * 4000, "1,234", "1.0e-9", "nan"]
    )
    def test_other_text_is_no_seq(self, write: Write, text: str) -> None:
        assert reason(write(f'timestamp,reading,seq\n2014-01-31,1,"{text}"\n')).startswith("seq “")

    @pytest.mark.parametrize("field", ["timestamp", "reading", "seq", "device_id"])
    @pytest.mark.parametrize("digits", [30, 4300, 5000])
    def test_a_number_of_any_length_is_refused_by_line(self, write: Write, field: str, digits: int) -> None:
        sent = {"timestamp": "2014-01-31", "reading": 1, "seq": 1, "device_id": "p", "metric": "m"}
        raw = json.dumps(sent | {field: "NUMBER"}).replace('"NUMBER"', "9" * digits)

        for line in readings_file.read(write(raw), form(constants={})):
            assert line.reason or digits == 30

    @pytest.mark.parametrize("text", ["n/a", "-", ".", "1_000", "nan", "inf", "0x1F", "1,5", "1e999", "12 °C", "--1"])
    def test_text_that_is_not_a_number_is_refused(self, write: Write, text: str) -> None:
        assert text in reason(write(f"timestamp;reading\n2014-01-31;{text}\n"))

    def test_another_decimal_mark_must_be_set(self, write: Write) -> None:
        assert "DECIMAL=," in reason(write("timestamp;reading\n2014-01-31;21,5\n"))
        assert "DECIMAL=." in reason(write("timestamp;reading\n2014-01-31;21.5\n"), decimal=",")

    @pytest.mark.parametrize("value", [True, None, [1], {"a": 1}])
    def test_a_json_value_that_is_not_a_number_is_refused(self, write: Write, value: Any) -> None:
        assert "value" in reason(write(json.dumps({"timestamp": "2014-01-31", "reading": value})))


class MemorySender:
    """A sender to a stream that accepts everything."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def send(self, entries: Iterable[Entry]) -> Iterator[int]:
        for entry in entries:
            self.entries.append(entry)
            yield 1


def opened_record(entry: Entry) -> tuple[bytes, int, int, str | None]:
    """Return the arguments of `read` for a record, as the functions of the stream get it."""
    kinesis = {
        "data": base64.b64encode(entry.data),
        "partitionKey": entry.key,
        "approximateArrivalTimestamp": time.time(),
    }
    (record,) = from_kinesis({"eventID": "shardId-0:1", "kinesis": kinesis})
    return record.raw, record.arrived_at, record.id, record.thing


class TestIngestion:
    def run(self, path: Path, replace: int | None = None, **options: Any) -> tuple[list[Entry], ingest.Ingestion]:
        to = MemorySender()
        refused = ingest.RefusedLines(path.with_suffix(".refused.csv"))
        ingestion = ingest.Ingestion(to, refused, Progress(io.StringIO()), replace)
        try:
            ingestion.run(readings_file.read(path, form(**options)))
        finally:
            ingestion.refused.close()
        return to.entries, ingestion

    def test_every_line_is_sent_or_in_the_report(self, write: Write) -> None:
        records, ingestion = self.run(write("timestamp,reading\n2014-01-31,1\n2014-01-31,x\n2014-02-01,2\n"))

        assert [json.loads(record.data)["value"] for record in records] == [1, 2]
        assert (ingestion.sent, ingestion.refused.count) == (2, 1)
        with ingestion.refused.report.open(newline="") as report:
            assert list(csv.reader(report)) == [["line", "reason"], ["3", "value “x” is not a number"]]

    def test_a_line_is_the_same_reading_in_every_export(self, write: Write) -> None:
        first, _ = self.run(write("timestamp,reading\n2014-01-31,1\n2014-02-01,2\n"))
        second, ingestion = self.run(
            write("timestamp,reading\n2014-01-30,0\n2014-01-31,1\n2014-02-01,2\n2014-02-01,2\n")
        )

        assert set(first) < set(second)
        assert (len(set(second)), ingestion.repeated) == (3, 1)

    def test_another_value_for_the_same_time_is_refused_by_line(self, write: Write) -> None:
        records, ingestion = self.run(write("timestamp,reading\n2014-01-31,1\n2014-01-31,2\n2014-01-31T00:00Z,1\n"))

        assert [json.loads(record.data)["value"] for record in records] == [1, 1]
        assert ingestion.refused.first == [
            "line 3: an earlier line has 1 for the same time; set REPLACE=1 if the later line is right"
        ]

    def test_readings_with_a_seq_of_their_own_may_have_the_same_time(self, write: Write) -> None:
        _, ingestion = self.run(write("timestamp,reading,seq\n2014-01-31,1,1\n2014-01-31,2,2\n"))

        assert (ingestion.sent, ingestion.refused.count) == (2, 0)

    def test_a_later_line_replaces_an_earlier_one_on_request(self, write: Write) -> None:
        path = write("timestamp,reading\n2014-01-31,1\n2014-01-31,2\n2014-02-01,3\n")
        records, ingestion = self.run(path, replace=1_900_000_000_000)

        sent = [json.loads(record.data) for record in records]
        assert [(each["value"], each["corrected_at"] - 1_900_000_000_000) for each in sent] == [(1, 0), (2, 1), (3, 0)]
        assert ingestion.refused.count == 0

    @pytest.mark.parametrize("device", ["thing/pump-2", "pump-1", "again/1/2/3", "\N{GRINNING FACE}" * 128])
    def test_a_device_may_have_any_name(self, write: Write, device: str) -> None:
        (record,), _ = self.run(
            write("timestamp,reading\n2014-01-31,1\n"), constants={**CONSTANTS, "device_id": device}
        )

        assert rules.read(*opened_record(record)).device_id == device
        assert (
            len(record.key) <= 256
        )  # https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsRequestEntry.html

    def test_a_wrong_description_stops_before_anything_is_sent(self, write: Write) -> None:
        path = write("timestamp,reading\n" + "31/01/2014,1\n" * 5000)

        with pytest.raises(UnreadableFile, match="none of the first 100 lines is a reading"):
            self.run(path)

    def test_an_old_report_is_deleted_when_nothing_is_refused(self, write: Write) -> None:
        report = self.run(write("timestamp,reading\n2014-01-31,x\n2014-01-31,1\n"))[1].refused.report
        assert report.exists()

        self.run(write("timestamp,reading\n2014-01-31,1\n"))

        assert not report.exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--map", "ts"], "not of the form name=value"),
        (["--tz", "Mars/Base"], "is not a time zone"),
        (["--map", "when=timestamp"], "a reading has no “when”"),
    ],
)
def test_an_invalid_option_exits_with_its_reason_and_status_2(write: Write, option: list[str], words: str) -> None:
    command = [sys.executable, "-m", "tools.ingest", "readings", str(write("timestamp,reading\n")), *option]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "pipeline-app")}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["+25:61", "+2", "-", "../../etc/passwd"])
def test_a_zone_is_a_name_or_an_offset(name: str) -> None:
    assert ingest._zone("-03:30").utcoffset(None) == timedelta(hours=-3.5)
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time zone"):
        ingest._zone(name)


def test_a_column_name_may_contain_a_comma() -> None:
    assert ingest._pairs('ts=time,"value=Temp, C"') == {"ts": "time", "value": "Temp, C"}
