"""Athena without an emulator: SQL, parameters, partitions, files and results."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, current_thread
from typing import Any

import pytest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from localaws.athena import api, files, results, writes
from localaws.athena.catalog import Partition, Table, partition_name, partition_values
from localaws.athena.engine import Engine
from localaws.athena.failures import Failed, Malformed
from localaws.athena.objects import Contents, Object, Objects
from localaws.athena.partitions import Pruning
from localaws.athena.query import Query
from localaws.athena.statements import parse, read
from localaws.athena.types import column_info, duckdb_type, hive_type, trino_type

TOKYO = "with_timezone(timestamp '2024-01-02 03:04:05', 'Asia/Tokyo')"

# Expressions and their values in Trino, in the result format of Athena.
# https://trino.io/docs/current/functions.html
ANSWERS = {
    # numbers
    "7 / 2": "3",
    "-7 / 2": "-3",
    "7 / 2.0e0": "3.5",
    "cast(1 as double)": "1.0",
    "1e7": "1.0E7",
    "12345678.9e0": "1.23456789E7",
    "1e-4": "1.0E-4",
    "nan()": "NaN",
    "-infinity()": "-Infinity",
    "is_nan(nan())": "true",
    "decimal '1.50'": "1.50",
    "1.0 / 3": "0.3",
    "100.0 * 1 / 3": "33.3",
    "2 * (1.5 + 1)": "5.0",
    "decimal '7.00' / 3": "2.33",
    "7.0 / 2e0": "3.5",
    "1e0 / 0": "Infinity",
    "cast(2.5e0 as integer)": "3",
    "mod(7, 3)": "1",
    "truncate(1.7e0)": "1.0",
    "round(2.567e0, 2)": "2.57",
    "to_base(255, 16)": "ff",
    "from_base('ff', 16)": "255",
    "width_bucket(3.0e0, 0, 10, 5)": "2",
    "bitwise_and(5, 3)": "1",
    "greatest(1, null)": None,
    # text
    "substr('abc', 0)": "",
    "substr('abc', 0, 2)": "",
    "substr('abc', 2)": "bc",
    "substr('abc', 2, 1)": "b",
    "substr('abc', -2)": "bc",
    "substr('abc', -4)": "",
    "substring('abc' FROM 4)": "",
    "'a' || null": None,
    # elements
    "array[1, 2][2]": "2",
    "split('a/b', '/')[2]": "b",
    "map_agg('a', 1)['a']": "1",
    "element_at(array[1, 2], 3)": None,
    "map(array['a'], array[1])['a']": "1",
    # dates
    "date '2024-01-31' + interval '1' month": "2024-02-29",
    "interval '1' day + date '2024-01-31'": "2024-02-01",
    "typeof(date '2024-01-31' - interval '1' day)": "date",
    "timestamp '2024-01-31 00:00:00' + interval '1' hour": "2024-01-31 01:00:00.000",
    "concat('a', null)": None,
    "concat('a', 'b', 'c')": "abc",
    "split_part('a,b', ',', 3)": None,
    "split('a,b', ',')": "[a, b]",
    "split_to_map('a=1,b=2', ',', '=')": "{a=1, b=2}",
    "regexp_extract('abc', '[0-9]+')": None,
    "regexp_extract('ab12', '([a-z]+)([0-9]+)', 2)": "12",
    "regexp_like('abc', 'b')": "true",
    "regexp_replace('a1b2', '([0-9])', '<$1>')": "a<1>b<2>",
    "replace('abc', 'b')": "ac",
    "format('%s-%d', 'a', 1)": "a-1",
    "lpad('7', 3, '0')": "007",
    "url_extract_host('https://a.b/c?d=e%20f#g')": "a.b",
    "url_extract_path('https://a.b/c?d=e%20f#g')": "/c",
    "url_extract_parameter('https://a.b/c?d=e%20f#g', 'd')": "e f",
    "url_encode('a b')": "a+b",
    "to_hex(md5(to_utf8('a')))": "0CC175B9C0F1B6A831C399E269772661",
    "to_utf8('ab')": "61 62",
    # times
    "date '2024-01-31'": "2024-01-31",
    "timestamp '2024-01-02 03:04:05'": "2024-01-02 03:04:05.000",
    "cast(timestamp '2024-01-02 03:04:05.678' as varchar)": "2024-01-02 03:04:05.678",
    "date_parse('2024-01-02 03:04:05', '%Y-%m-%d %H:%i:%s')": "2024-01-02 03:04:05.000",
    "date_format(timestamp '2024-01-02 03:04:05', '%Y/%m/%d %H:%i')": "2024/01/02 03:04",
    "format_datetime(timestamp '2024-01-02 03:04:05', 'yyyy-MM-dd''T''HH')": "2024-01-02T03",
    "parse_datetime('2024-01-02', 'yyyy-MM-dd')": "2024-01-02 00:00:00.000 UTC",
    "from_iso8601_timestamp('2024-01-02T03:04:05.123+02:00')": "2024-01-02 03:04:05.123 +02:00",
    "from_iso8601_timestamp('2024-01-02T03:04:05')": "2024-01-02 03:04:05.000 UTC",
    "from_iso8601_timestamp('2024-01-02')": "2024-01-02 00:00:00.000 UTC",
    "from_iso8601_date('2024-01-02')": "2024-01-02",
    "from_unixtime(1700000000)": "2023-11-14 22:13:20.000 UTC",
    "to_unixtime(from_unixtime(1))": "1.0",
    "to_iso8601(date '2024-01-02')": "2024-01-02",
    "date_trunc('hour', timestamp '2024-01-02 03:04:05')": "2024-01-02 03:00:00.000",
    "date_trunc('month', date '2024-01-31')": "2024-01-01",
    "date_add('day', 3, date '2024-01-30')": "2024-02-02",
    "date_add('month', 1, date '2024-01-31')": "2024-02-29",
    "date_add('hour', -3, timestamp '2024-01-02 03:04:05')": "2024-01-02 00:04:05.000",
    "date_diff('hour', timestamp '2024-01-02 03:59:00', timestamp '2024-01-02 05:01:00')": "1",
    "date_diff('day', date '2024-01-02', date '2024-02-02')": "31",
    "day_of_week(date '2024-01-07')": "7",
    "extract(dow from date '2024-01-07')": "7",
    "millisecond(timestamp '2024-01-02 03:04:05.678')": "678",
    "last_day_of_month(date '2024-02-07')": "2024-02-29",
    "date(timestamp '2024-01-02 03:04:05' at time zone 'Asia/Tokyo')": "2024-01-02",
    "from_unixtime(0) at time zone 'Asia/Tokyo' = from_unixtime(0)": "true",
    "from_unixtime(0) at time zone 'Asia/Tokyo' between from_unixtime(0) and from_unixtime(1)": "true",
    "from_unixtime(0) < from_unixtime(0) at time zone 'America/New_York'": "false",
    "date_diff('hour', from_unixtime(0), from_unixtime(0) at time zone 'Asia/Tokyo')": "0",
    "hour(from_unixtime(0) at time zone 'Asia/Tokyo')": "9",
    "date(from_unixtime(0) at time zone 'America/New_York')": "1969-12-31",
    "typeof(now())": "timestamp(3) with time zone",
    "typeof(now() at time zone 'Asia/Tokyo')": "timestamp(3) with time zone",
    "cast(from_unixtime(0) as varchar)": "1970-01-01 00:00:00.000 UTC",
    "current_timezone()": "UTC",
    # times in zones
    f"{TOKYO}": "2024-01-02 03:04:05.000 Asia/Tokyo",
    f"{TOKYO} = timestamp '2024-01-01 18:04:05 UTC'": "true",
    f"{TOKYO} in (timestamp '2024-01-01 18:04:05 UTC')": "true",
    f"timestamp '2024-01-01 18:04:05 UTC' in ({TOKYO})": "true",
    f"hour({TOKYO})": "3",
    f"to_unixtime({TOKYO})": "1.704132245E9",
    f"date_diff('hour', timestamp '2024-01-01 18:04:05 UTC', {TOKYO})": "0",
    f"cast({TOKYO} as varchar)": "2024-01-02 03:04:05.000 Asia/Tokyo",
    f"cast({TOKYO} as timestamp)": "2024-01-02 03:04:05.000",
    f"to_iso8601({TOKYO})": "2024-01-02T03:04:05.000+09:00",
    f"date_format({TOKYO}, '%d %H')": "02 03",
    f"timezone_hour({TOKYO})": "9",
    f"date_trunc('day', {TOKYO}) = timestamp '2024-01-01 15:00:00 UTC'": "true",
    f"date_add('hour', 1, {TOKYO}) = timestamp '2024-01-01 19:04:05 UTC'": "true",
    f"{TOKYO} + interval '1' hour": "2024-01-02 04:04:05.000 Asia/Tokyo",
    f"coalesce({TOKYO}, now()) = timestamp '2024-01-01 18:04:05 UTC'": "true",
    f"coalesce({TOKYO}, {TOKYO})": "2024-01-02 03:04:05.000 Asia/Tokyo",
    f"hour(({TOKYO}) at time zone 'America/New_York')": "13",
    "date_add('day', 1, with_timezone(timestamp '2024-03-09 12:00:00', 'America/New_York'))": (
        "2024-03-10 12:00:00.000 America/New_York"
    ),
    "with_timezone(timestamp '2024-03-09 12:00:00', 'America/New_York') + interval '1' day": (
        "2024-03-10 13:00:00.000 America/New_York"
    ),
    "with_timezone(timestamp '2024-01-02 03:04:05', '+05:30') = timestamp '2024-01-01 21:34:05 UTC'": "true",
    "timezone_minute(from_unixtime(0) at time zone '+05:30')": "30",
    "to_iso8601(from_unixtime(0) at time zone '-03:30')": "1969-12-31T20:30:00.000-03:30",
    "from_unixtime(0, 'Asia/Tokyo')": "1970-01-01 09:00:00.000 Asia/Tokyo",
    "from_unixtime(0, 9, 30)": "1970-01-01 09:30:00.000 +09:30",
    "from_unixtime(0, 'Asia/Tokyo') = from_unixtime(0)": "true",
    "timestamp '2024-01-02 03:04:05 Asia/Tokyo'": "2024-01-02 03:04:05.000 Asia/Tokyo",
    "hour(from_iso8601_timestamp('2024-01-02T03:04:05+09:00'))": "3",
    "from_iso8601_timestamp('2024-01-02T03:04:05+09:00') = timestamp '2024-01-01 18:04:05 UTC'": "true",
    "sequence(date '2024-01-01', date '2024-01-03')": "[2024-01-01, 2024-01-02, 2024-01-03]",
    # arrays, maps and rows
    "array[1, null]": "[1, null]",
    "map(array['a'], array[1])": "{a=1}",
    "row(1, 'x')": "{field0=1, field1=x}",
    "zip(array[1], array['x'])": "[{field0=1, field1=x}]",
    "cardinality(map(array['a'], array[1]))": "1",
    "element_at(array[1, 2], -1)": "2",
    "element_at(map(array['a'], array[1]), 'b')": None,
    "array_distinct(array[3, 1, 3])": "[3, 1]",
    "array_position(array[1, 2], 3)": "0",
    "array_union(array[1], array[1, 2])": "[1, 2]",
    "array_join(array[1, 2], '-')": "1-2",
    "arrays_overlap(array[1, 2], array[2])": "true",
    "slice(array[1, 2, 3], -2, 2)": "[2, 3]",
    "sequence(3, 1)": "[3, 2, 1]",
    "repeat('a', 2)": "[a, a]",
    "reverse(array[1, 2])": "[2, 1]",
    "transform(array[1, 2], x -> x + 1)": "[2, 3]",
    "filter(array[1, 2], x -> x > 1)": "[2]",
    "reduce(array[1, 2], 0, (s, x) -> s + x, s -> s * 10)": "30",
    "any_match(array[1, 2], x -> x > 1)": "true",
    "all_match(array[1, 2], x -> x > 1)": "false",
    "map_filter(map(array['a', 'b'], array[1, 2]), (k, v) -> v > 1)": "{b=2}",
    "transform_values(map(array['a'], array[1]), (k, v) -> k || '!')": "{a=a!}",
    # JSON
    """json_extract_scalar('{"a": {"b": 1}}', '$.a.b')""": "1",
    """json_extract_scalar('{"a": {"b": 1}}', '$.a')""": None,
    """json_extract_scalar('{"a b": 1}', '$["a b"]')""": "1",
    "json_extract_scalar('no json', '$.a')": None,
    """json_format(json_parse('{"a": [1, 2]}'))""": '{"a":[1,2]}',
    "json_array_length('[1, 2]')": "2",
    "json_array_contains('[1, 2]', 2)": "true",
    "cast(json_parse('[1, 2]') as array(integer))": "[1, 2]",
    # the rest
    "try(1 / 0)": None,
    "try_cast('x' as integer)": None,
    "if(1 = 2, 'a')": None,
    "coalesce(null, 'a')": "a",
    "typeof('abc')": "varchar(3)",
    "typeof(1)": "integer",
    "typeof(array[1e0])": "array(double)",
}
# Over the rows (k, v) = ('a', 1), ('a', 2), ('b', 4).
AGGREGATES = {
    "sum(v)": "7",
    "sum(v) / count(*)": "2",
    "sum(v) * 100.0 / count(*)": "233.3",
    "avg(cast(v as decimal(5, 1)))": "2.3",
    "avg(v)": "2.3333333333333335",
    "count_if(v > 1)": "2",
    "approx_distinct(k)": "2",
    "approx_percentile(v, 0.5)": "2",
    "max_by(k, v)": "b",
    "array_agg(v order by v desc)": "[4, 2, 1]",
    "map_agg(v, k) filter (where v > 1)": "{2=a, 4=b}",
    "histogram(k)": "{a=2, b=1}",
    "listagg(k, '+') within group (order by v)": "a+a+b",
    "every(v > 0)": "true",
    "round(stddev(v), 9)": "1.527525232",
    "sum(v) filter (where k = 'a')": "3",
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine for queries without tables, which do not change the engine."""
    engine = Engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


@pytest.fixture
def answer(shared_engine: Engine, tmp_path: Path) -> Any:
    """Return a function that runs a query without tables and returns its first row."""

    def answer(sql: str, *parameters: str) -> list[str | None]:
        tree = read(sql, parameters).tree
        assert tree is not None
        prepared = Query(None, None, shared_engine, tmp_path, "db", None).prepare(tree)  # type: ignore[arg-type]
        return list(next(shared_engine.rows(prepared, shared_engine.columns(prepared))))

    return answer


@pytest.mark.parametrize(("expression", "expected"), ANSWERS.items())
def test_an_expression_has_the_same_value_as_in_trino(answer: Any, expression: str, expected: str | None) -> None:
    assert answer(f"SELECT {expression}") == [expected]


@pytest.mark.parametrize(("aggregate", "expected"), AGGREGATES.items())
def test_an_aggregate_has_the_same_value_as_in_trino(answer: Any, aggregate: str, expected: str | None) -> None:
    assert answer(f"SELECT {aggregate} FROM (VALUES ('a', 1), ('a', 2), ('b', 4)) AS t(k, v)") == [expected]


@pytest.mark.parametrize(
    ("unnest", "expected"),
    [
        ("unnest(array[7, 8]) AS u(x)", ["7"]),
        ("unnest(array[7, 8]) WITH ORDINALITY AS u(x, n)", ["7", "1"]),
        ("unnest(array[7], array['a', 'b']) AS u(x, y)", ["7", "a"]),
        ("unnest(map(array['a'], array[1])) AS u(k, v)", ["a", "1"]),
    ],
)
def test_unnest_gives_a_row_for_each_element(answer: Any, unnest: str, expected: list[str]) -> None:
    assert answer(f"SELECT u.* FROM (SELECT 1 AS one) CROSS JOIN {unnest}") == expected


def test_a_column_of_times_in_zones_has_their_type_and_cannot_be_stored(engine: Engine, tmp_path: Path) -> None:
    tree = read("SELECT now() at time zone 'Asia/Tokyo' AS there", []).tree
    assert tree is not None

    prepared = Query(None, None, engine, tmp_path, "db", None).prepare(tree)  # type: ignore[arg-type]
    ((name, kind),) = engine.columns(prepared)

    assert column_info(name, kind)["Type"] == "timestamp with time zone"
    with pytest.raises(Failed, match="Unsupported Hive type: timestamp with time zone"):
        hive_type(kind)


def test_unnamed_columns_are_named_by_position(engine: Engine, tmp_path: Path) -> None:
    tree = read("SELECT 1, 2 AS two, count(*) FROM (SELECT 3) UNION ALL SELECT 4, 5, 6", []).tree
    assert tree is not None

    prepared = Query(None, None, engine, tmp_path, "db", None).prepare(tree)  # type: ignore[arg-type]

    assert engine.columns(prepared) == [("_col0", "INTEGER"), ("two", "INTEGER"), ("_col2", "BIGINT")]


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT 1 / 0", "DIVISION_BY_ZERO"),
        ("SELECT now() at time zone 'Mars/Base'", "INVALID_FUNCTION_ARGUMENT: 'Mars/Base' is not a valid time zone"),
        ("SELECT array[1, 2][3]", r"INVALID_FUNCTION_ARGUMENT: Array subscript must be less.*: 3 > 2"),
        ("SELECT array[1, 2][0]", "INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1"),
        ("SELECT a[-1] FROM (SELECT array[1] AS a)", "INVALID_FUNCTION_ARGUMENT: Array subscript is negative: -1"),
        ("SELECT m['b'] FROM (SELECT map(array['a'], array[1]) AS m)", "INVALID_FUNCTION_ARGUMENT: Key not present"),
        *(
            (f"SELECT {array}[3]", "INVALID_FUNCTION_ARGUMENT: Array subscript must be less.*: 3 > ")
            for array in (
                "split('a/b', '/')",
                "transform(array[1, 2], x -> x)",
                "filter(array[1, 2], x -> x > 1)",
                "map_keys(map(array['a'], array[1]))",
                "map_values(map(array['a'], array[1]))",
                "regexp_extract_all('a1', '[0-9]')",
                "regexp_split('a1b', '[0-9]')",
                "array_distinct(array[1, 1])",
            )
        ),
        *(
            (f"SELECT {entries}['b']", "INVALID_FUNCTION_ARGUMENT: Key not present")
            for entries in ("map_agg('a', 1)", "split_to_map('a=1', ',', '=')", "histogram('a')")
        ),
        ("SELECT date '2024-01-01' + interval '1' hour", "INVALID_FUNCTION_ARGUMENT: Cannot add hour"),
        ("SELECT cast('x' AS integer)", "INVALID_CAST_ARGUMENT"),
        ("SELECT '1' = 1", "TYPE_MISMATCH"),
        ("SELECT timestamp '2024-01-01 00:00:00' BETWEEN '2024' AND '2025'", "TYPE_MISMATCH"),
        ("SELECT x FROM (SELECT '2024-01-01' AS x) WHERE x IN (date '2024-01-01')", "TYPE_MISMATCH"),
        ("SELECT strptime('2024', '%Y')", "FUNCTION_NOT_FOUND"),
        ("SELECT list_sum(array[1])", "FUNCTION_NOT_FOUND"),
        ("SELECT getenv('HOME')", "FUNCTION_NOT_FOUND"),
        ("SELECT x FROM (SELECT 1 AS y)", "COLUMN_NOT_FOUND"),
        ("SELECT * FROM read_text('/etc/hostname')", "FUNCTION_NOT_FOUND"),
        ("SELECT * FROM duckdb_settings()", "FUNCTION_NOT_FOUND"),
        ("SELECT sha512(to_utf8('a'))", "NOT_SUPPORTED"),
    ],
)
def test_a_query_that_fails_in_athena_fails_with_the_same_code(answer: Any, sql: str, reason: str) -> None:
    with pytest.raises(Failed, match=reason):
        answer(sql)


def test_duckdb_cannot_open_files_outside_the_folder_of_the_query(engine: Engine, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.csv").write_text("x\n1\n")

    for sql in (
        f"SELECT * FROM read_csv('{tmp_path.parent}/secret.csv')",
        f"SELECT * FROM read_csv('{tmp_path}/../secret.csv')",
        f"COPY (SELECT 1) TO '{tmp_path.parent}/written.csv'",
        "SET enable_external_access = true",
        "INSTALL httpfs",
    ):
        with pytest.raises(Failed):
            engine.execute(sql)


# --- statements and their parameters ---


@pytest.mark.parametrize(
    ("sql", "kind", "substatement"),
    [
        ("-- which\nSELECT 1", "DML", "SELECT"),
        ("(SELECT 1) UNION (SELECT 2)", "DML", "SELECT"),
        ("with a as (select 1) select * from a", "DML", "SELECT"),
        ("CREATE TABLE t AS SELECT 1 AS a", "DML", "CREATE_TABLE_AS_SELECT"),
        ("INSERT INTO t VALUES (1)", "DML", "INSERT"),
        ("UNLOAD (SELECT 1) TO 's3://b/'", "DML", "UNLOAD"),
        ("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://b/'", "DDL", "CREATE_TABLE"),
        ("CREATE  OR REPLACE VIEW v AS SELECT 1 AS a", "DDL", "CREATE_VIEW"),
        ("DROP TABLE IF EXISTS t", "DDL", "DROP_TABLE"),
        ("MSCK REPAIR TABLE t", "DDL", "MSCK_REPAIR"),
        ("show partitions t", "UTILITY", "SHOW"),
    ],
)
def test_a_statement_has_a_type_and_a_substatement_type(sql: str, kind: str, substatement: str) -> None:
    statement = read(sql, [])
    assert (statement.kind, statement.substatement) == (kind, substatement)


@pytest.mark.parametrize(
    "sql",
    ["", "SELEC 1", "SELECT FROM t", "SELECT 1; SELECT 2", "CREATE TABLE t (a int)", "DELETE FROM t", "COPY t TO 'x'",
     "ATTACH 'x'", "SELECT * FROM t WHERE"],
)  # fmt: skip
def test_invalid_sql_is_malformed(sql: str) -> None:
    with pytest.raises(Malformed):
        read(sql, [])


@pytest.mark.parametrize(
    "parameter",
    ["1 OR 1 = 1", "'a' OR 'b'", "'a'; DROP TABLE t", "(SELECT 1)", "name", "2024-01-01", "'a' AS b", "*", "1, 2", "?",
     "", "'a' UNION SELECT 1", "now()", "DISTINCT 1", "'a' FROM t", "\"a\"", ":p0"],
)  # fmt: skip
def test_a_parameter_that_is_not_a_literal_is_malformed(parameter: str) -> None:
    with pytest.raises(Malformed):
        read("SELECT 1 WHERE 1 = ?", [parameter])


@pytest.mark.parametrize("parameter", ["1", "-1.50", "'it''s'", "DATE '2024-01-01'", "NULL", "true"])
def test_a_literal_is_bound(answer: Any, parameter: str) -> None:
    # A parameter can be placed only in a WHERE clause.
    assert answer(f"SELECT 'bound' WHERE ? IS NOT DISTINCT FROM {parameter}", parameter) == ["bound"]


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2))
def test_a_string_parameter_is_never_parsed_as_sql(texts: list[str]) -> None:
    quoted = ["'" + text.replace("'", "''") + "'" for text in texts]

    tree = read("SELECT x FROM t WHERE a = ? AND b = ? -- ?", quoted).tree

    assert tree is not None
    assert [found.name for found in tree.find_all(exp.Literal)] == texts


# --- tables, partitions and files ---

PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
JSON = "org.openx.data.jsonserde.JsonSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
DELIMITED = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
BY_DAY = {
    "projection.enabled": "true",
    "projection.day.type": "date",
    "projection.day.format": "yyyy-MM-dd",
    "projection.day.range": "2024-01-01,2024-01-31",
}


class Bucket:
    """Objects by S3 URI, and the URIs of the objects that were read."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.objects_read: list[str] = []

    def list_objects(self, uri: str) -> list[Object]:
        return [
            Object("b", name.removeprefix("s3://b/"), len(content))
            for name, content in sorted(self.objects.items())
            if name.startswith(uri)
        ]

    def list_each(self, uris: Iterable[str]) -> Iterator[list[Object]]:
        return map(self.list_objects, uris)

    def is_empty(self, uri: str) -> bool:
        return not self.list_objects(uri)

    def write(self, uri: str, content: Path) -> None:
        self.objects[uri] = content.read_bytes()

    def read(self, objects: list[Object], stopped: Any) -> Iterator[bytes]:
        for one in objects:
            self.objects_read.append(one.uri)
            yield self.objects[one.uri]


class Tables:
    """A catalog that contains one table."""

    def __init__(self, table: Table, *loaded: Partition) -> None:
        self._table, self._loaded = table, list(loaded)

    def table(self, database: str, name: str) -> Table:
        return self._table

    def partitions(self, table: Table) -> list[Partition]:
        return self._loaded


def table(serde: str = JSON, keys: dict[str, str] | None = None, **parameters: str) -> Table:
    return Table("db", "t", {"a": "bigint", "b": "string"}, keys or {}, "s3://b/t/", serde, parameters=parameters)


@pytest.fixture
def rows(tmp_path: Path) -> Any:
    """Return a function that runs a query on a table and a bucket, and returns all rows and the bytes scanned."""
    numbers = itertools.count()

    def rows(sql: str, catalog: Tables, bucket: Bucket) -> tuple[list[list[str | None]], int]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        with contextlib.closing(Engine(folder)) as engine:
            query = Query(catalog, bucket, engine, folder, "db", None)  # type: ignore[arg-type]
            tree = read(sql, []).tree
            assert tree is not None
            prepared = query.prepare(tree)
            return [list(row) for row in engine.rows(prepared, engine.columns(prepared))], query.scanned

    return rows


def days(*names: str) -> Bucket:
    bucket = Bucket()
    bucket.objects = {f"s3://b/t/day={day}/x": b'{"a": 1, "b": "%b"}\n' % day.encode() for day in names}
    return bucket


@pytest.mark.parametrize(
    ("where", "read"),
    [
        ("day = '2024-01-02'", ["02"]),
        ("day IN ('2024-01-01', '2024-01-03')", ["01", "03"]),
        ("day BETWEEN '2024-01-02' AND '2024-01-09'", ["02", "03"]),
        ("day >= date_format(date '2024-01-02', '%Y-%m-%d') AND a = 1", ["02", "03"]),
        ("day >= cast(date_add('day', 2, date '2024-01-01') AS varchar)", ["03"]),
        ("day IN ('2024-01-01', lower('2024-01-03'))", ["01", "03"]),
        ("day IN ('2023-12-31', '2024-01-03', '2024-01-03', '2024-02-01')", ["03"]),
        ("concat(day, '!') = '2024-01-02!'", ["02"]),
        ("day LIKE '%-03' OR day = '2024-01-01'", ["01", "03"]),
        ("day = '2024-01-02' OR a = 1", ["01", "02", "03"]),
        ("a = 1", ["01", "02", "03"]),
        ("substr(day, 9) = '04'", []),
    ],
)
def test_only_partitions_that_satisfy_the_conditions_are_read(rows: Any, where: str, read: list[str]) -> None:
    bucket = days("2024-01-01", "2024-01-02", "2024-01-03", "2023-12-31")

    found, _ = rows(f"SELECT day FROM t WHERE {where}", Tables(table(keys={"day": "string"}, **BY_DAY)), bucket)

    assert [uri[-4:-2] for uri in bucket.objects_read] == read
    assert sorted(day for (day,) in found) == [f"2024-01-{day}" for day in read]


def test_named_days_are_not_searched_among_all_days_of_the_projection(
    rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    matching = Pruning._filter

    def counted(pruning: Pruning, names: list[str], values: list[Any]) -> list[Any]:
        compared.append(len(values))
        return matching(pruning, names, values)

    monkeypatch.setattr(Pruning, "_filter", counted)
    catalog = Tables(table(keys={"day": "string"}, **BY_DAY))

    rows("SELECT a FROM t WHERE day IN ('2024-01-01', '2024-01-02')", catalog, days("2024-01-01"))

    assert set(compared) == {2}


def test_texts_that_a_condition_names_are_compared_without_duckdb() -> None:
    conditions = [parse("day IN ('1', '2')"), parse("part = 'a'")]
    pruning = Pruning(table(keys={"day": "string", "part": "string"}), conditions, {}, None)  # type: ignore[arg-type]

    kept = pruning.matching_combinations(["1", "2", "3"], ["a", "b"])

    assert kept == [("1", "a"), ("2", "a")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM (SELECT * FROM t) WHERE day = '2024-01-02'",
        "WITH x AS (SELECT *, row_number() OVER (PARTITION BY day ORDER BY a) AS n FROM t WHERE day = '2024-01-02') "
        "SELECT * FROM x WHERE n = 1",
        "SELECT t.a FROM t JOIN (VALUES 1) AS v(a) ON t.a = v.a AND t.day = '2024-01-02'",
        "SELECT u.x FROM t CROSS JOIN unnest(array[1]) AS u(x) WHERE db.t.day = '2024-01-02'",
    ],
)
def test_conditions_in_subqueries_and_joins_are_used_for_pruning(rows: Any, sql: str) -> None:
    bucket = days("2024-01-01", "2024-01-02")

    found, _ = rows(sql, Tables(table(keys={"day": "string"}, **BY_DAY)), bucket)

    assert bucket.objects_read == ["s3://b/t/day=2024-01-02/x"]
    assert len(found) == 1


def test_an_engine_forgets_the_relations_of_a_query(engine: Engine, tmp_path: Path) -> None:
    catalog = Tables(table(keys={"day": "string"}, **BY_DAY))

    def found(bucket: Bucket, folder: str) -> list[list[str | None]]:
        (tmp_path / folder).mkdir()
        query = Query(catalog, bucket, engine, tmp_path / folder, "db", None)  # type: ignore[arg-type]
        tree = read("SELECT day FROM t", []).tree
        assert tree is not None
        prepared = query.prepare(tree)
        return [list(row) for row in engine.rows(prepared, engine.columns(prepared))]

    first = found(days("2024-01-01"), "first")
    engine.clear()

    assert (first, found(days("2024-01-02"), "second")) == ([["2024-01-01"]], [["2024-01-02"]])


@pytest.fixture
def objects_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the objects that are read from S3. The content of each is its key."""
    keys: list[str] = []

    def get(_: Objects, one: Object) -> bytes:
        keys.append(one.key)
        return one.key.encode()

    monkeypatch.setattr(Objects, "_get", get)
    return keys


def read_as(caller: str, contents: Contents, *objects: Object) -> list[bytes]:
    reader = Objects(None, Credentials(caller, "secret"), "http://127.0.0.1:1", "us-east-1", contents)
    return list(reader.read(list(objects), lambda: False))


def test_a_caller_reads_only_new_objects_and_the_last_of_each_folder_again(objects_read: list[str]) -> None:
    contents = Contents(1000)
    a1, a2, b1 = (Object("b", key, 3, etag="1") for key in ("a/1", "a/2", "b/1"))
    read_as("ann", contents, a1, a2, b1)
    objects_read.clear()

    again = read_as("ann", contents, a1, a2, b1)

    assert (again, sorted(objects_read)) == ([b"a/1", b"a/2", b"b/1"], ["a/2", "b/1"])


@pytest.mark.parametrize(("caller", "etag"), [("ben", "1"), ("ann", "2")])
def test_another_caller_and_a_new_version_of_an_object_are_read(
    objects_read: list[str], caller: str, etag: str
) -> None:
    contents, last = Contents(1000), Object("b", "a/9", 3, etag="1")
    read_as("ann", contents, Object("b", "a/1", 3, etag="1"), last)
    objects_read.clear()

    read_as(caller, contents, Object("b", "a/1", 3, etag=etag), last)

    assert "a/1" in objects_read


class Server(ThreadingHTTPServer):
    """A server that answers each GET with its path, and counts its connections."""

    connections = 0

    def process_request(self, *request: Any) -> None:
        self.connections += 1
        super().process_request(*request)


class PathHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", f"{len(self.path)}")
        self.end_headers()
        self.wfile.write(self.path.encode())


def test_statements_read_through_the_same_connection() -> None:
    with Server(("127.0.0.1", 0), PathHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint, keys = f"http://127.0.0.1:{server.server_port}", Credentials("ann", "secret")

        for _ in range(3):
            reader = Objects(None, keys, endpoint, "us-east-1", Contents(0))
            assert list(reader.read([Object("b", "a/1", 6)], lambda: False)) == [b"/b/a/1"]

        server.shutdown()
    assert server.connections == 1


def test_statements_read_with_the_same_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[Thread] = set()

    def get(_: Objects, one: Object) -> bytes:
        threads.add(current_thread())
        return b""

    monkeypatch.setattr(Objects, "_get", get)

    for _ in range(20):
        read_as("ann", Contents(0), Object("b", "a/1", 0))

    assert len(threads) <= 8


def test_kept_contents_have_a_bound() -> None:
    contents = Contents(5)
    objects = [Object("b", name, 2, etag="1") for name in "123"]

    for one in objects:
        contents.put("ann", one, b"xx")

    assert [contents.get("ann", one) for one in objects] == [None, b"xx", b"xx"]


def test_conditions_on_the_missing_rows_of_an_outer_join_do_not_prune(rows: Any) -> None:
    bucket = days("2024-01-01", "2024-01-02")
    sql = "SELECT count(*) FROM (VALUES 1) AS v(a) LEFT JOIN t ON v.a = t.a WHERE t.day IS NULL"

    found, _ = rows(sql, Tables(table(keys={"day": "string"}, **BY_DAY)), bucket)

    assert found == [["0"]]


def test_a_table_without_loaded_partitions_has_no_rows(rows: Any) -> None:
    bucket = days("2024-01-01", "2024-01-02")
    plain = table(keys={"day": "date"})

    assert rows("SELECT count(*) FROM t", Tables(plain), bucket)[0] == [["0"]]

    loaded = Tables(plain, Partition(("2024-01-02",), "s3://b/t/day=2024-01-02/"))
    assert rows("SELECT day FROM t WHERE day > date '2024-01-01'", loaded, bucket)[0] == [["2024-01-02"]]


def projected(key: str, **properties: str) -> dict[str, str]:
    return {f"projection.{key}.{name.replace('_', '.')}": value for name, value in properties.items()}


def test_every_kind_of_projection_and_a_template(rows: Any) -> None:
    keys = {"region": "string", "year": "int", "moment": "string", "device": "string"}
    parameters = {
        "projection.enabled": "true",
        "storage.location.template": "s3://b/t/${region}/${year}/${moment}/${device}",
        **projected("region", type="enum", values="eu, us"),
        **projected("year", type="integer", range="5,25", interval="5", digits="3"),
        **projected(
            "moment", type="date", range="NOW-2HOURS,NOW", format="yyyy/MM/dd/HH", interval="1", interval_unit="HOURS"
        ),
        **projected("device", type="injected"),
    }
    hour = f"{datetime.now(UTC) - timedelta(hours=1):%Y/%m/%d/%H}"
    bucket = Bucket()
    bucket.objects[f"s3://b/t/us/010/{hour}/d1/x"] = b'{"a": 7}'
    catalog = Tables(table(keys=keys, **parameters))

    found, _ = rows("SELECT a, region, year, moment FROM t WHERE device = 'd1'", catalog, bucket)

    assert found == [["7", "us", "10", hour]]
    with pytest.raises(Failed, match="CONSTRAINT_VIOLATION"):
        rows("SELECT a FROM t", catalog, bucket)


def test_months_are_projected_by_the_calendar(rows: Any) -> None:
    months = BY_DAY | {"projection.day.format": "yyyy-MM", "projection.day.range": "2023-12,2024-02"}
    bucket = days("2023-12", "2024-01", "2024-02", "2024-03")

    found, _ = rows("SELECT day FROM t ORDER BY day", Tables(table(keys={"day": "string"}, **months)), bucket)

    assert found == [["2023-12"], ["2024-01"], ["2024-02"]]


def test_fields_of_rows_are_distinguished_from_columns_of_tables(rows: Any) -> None:
    nested = replace(table(), columns={"r": "struct<f:struct<g:int>>", "l": "array<struct<u:int,w:string>>"})
    bucket = Bucket()
    bucket.objects["s3://b/t/x"] = b'{"r": {"f": {"g": 7}}, "l": [{"u": 1, "w": "x"}]}'
    sql = "SELECT r.f.g, t.r.f, db.t.r, e.w FROM db.t CROSS JOIN unnest(l) AS e(u, w) WHERE r.f.g = 7"

    assert rows(sql, Tables(nested), bucket)[0] == [["7", "{g=7}", "{f={g=7}}", "x"]]


def test_the_path_column_is_the_object_of_the_row(rows: Any) -> None:
    bucket = days("2024-01-01", "2024-01-02")
    catalog = Tables(table(keys={"day": "string"}, **BY_DAY))

    found, _ = rows('SELECT "$path", * FROM t ORDER BY 1', catalog, bucket)

    assert found[1] == ["s3://b/t/day=2024-01-02/x", "1", "2024-01-02", "2024-01-02"]


READINGS = b'{"A": 1, "b": "x, \\"y\\""}\n\n{"a": "2", "c": {"d": 1}}\n'


@pytest.mark.parametrize(
    ("serde", "parameters", "name", "content", "expected"),
    [
        (JSON, {}, "x", READINGS, [["1", 'x, "y"'], ["2", None]]),
        (JSON, {}, "x.gz", gzip.compress(READINGS), [["1", 'x, "y"'], ["2", None]]),
        (JSON, {}, "x.bz2", bz2.compress(READINGS), [["1", 'x, "y"'], ["2", None]]),
        (JSON, {"ignore.malformed.json": "true"}, "x", b"no\n", [[None, None]]),
        (JSON, {"mapping.b": "Name"}, "x", b'{"name": "n"}', [[None, "n"]]),
        (JSON, {}, "x", b'{"b": "\xff"}', [[None, "\ufffd"]]),
        (OPEN_CSV, {}, "x", b'1,"x, ""y"""\n,z\n', [["1", 'x, "y"'], [None, "z"]]),
        (OPEN_CSV, {"separatorChar": ";"}, "x", b"1;x\r\n2;y;more\r\n", [["1", "x"], ["2", "y"]]),
        (DELIMITED, {"field.delim": ","}, "x", b'1,"x"\nno,\\N\n3\n', [["1", '"x"'], [None, None], ["3", None]]),
        (DELIMITED, {"field.delim": ",", "escape.delim": "\\"}, "x", b"1,x\\,y\n", [["1", "x,y"]]),
        (DELIMITED, {}, "x", b"1\x01x\n", [["1", "x"]]),
    ],
)
def test_a_text_is_read_by_its_serde(
    rows: Any, serde: str, parameters: dict[str, str], name: str, content: bytes, expected: list[list[str | None]]
) -> None:
    bucket = Bucket()
    bucket.objects[f"s3://b/t/{name}"] = content
    catalog = Tables(replace(table(serde), serde_parameters=parameters))

    assert rows("SELECT * FROM t", catalog, bucket) == (expected, len(content))


def test_a_header_is_skipped(rows: Any) -> None:
    bucket = Bucket()
    bucket.objects = {"s3://b/t/1": b"a,b\n1,x\n", "s3://b/t/2": b"a,b\n2,y\n"}

    found, _ = rows("SELECT * FROM t", Tables(table(OPEN_CSV, **{"skip.header.line.count": "1"})), bucket)

    assert found == [["1", "x"], ["2", "y"]]


@pytest.mark.parametrize(
    ("serde", "name", "content"),
    [
        (JSON, "x", b"not json"),
        (JSON, "x", b'{"a": "one"}'),
        (OPEN_CSV, "x", b"one,x"),
        (PARQUET, "x", b"not parquet"),
        (JSON, "x.gz", b'{"a": 1}'),
        (JSON, "x", gzip.compress(b'{"a": 1}')),  # Athena uses only the file extension
    ],
)
def test_data_that_is_not_in_its_format_fails_the_query(rows: Any, serde: str, name: str, content: bytes) -> None:
    bucket = Bucket()
    bucket.objects[f"s3://b/t/{name}"] = content

    with pytest.raises(Failed, match="HIVE_"):
        rows("SELECT * FROM t", Tables(table(serde)), bucket)


def test_a_json_time_may_be_iso_text_or_a_number_since_1970(rows: Any) -> None:
    moments = replace(table(), columns={"a": "timestamp"})
    bucket = Bucket()
    bucket.objects["s3://b/t/x"] = b'{"a": "2024-01-02T03:04:05.678+01:00"}\n{"a": 1700000000}\n{"a": 1700000000123}\n'

    found, _ = rows("SELECT * FROM t", Tables(moments), bucket)

    assert [row[0] for row in found] == [
        "2024-01-02 02:04:05.678",
        "2023-11-14 22:13:20.000",
        "2023-11-14 22:13:20.123",
    ]


@pytest.fixture
def parquet(engine: Engine, tmp_path: Path) -> Any:
    """Return a function that writes the rows of a DuckDB query to Parquet and returns the content."""

    def parquet(sql: str) -> bytes:
        engine.execute(f"COPY ({sql}) TO '{tmp_path}/made.parquet' (FORMAT parquet)")
        return (tmp_path / "made.parquet").read_bytes()

    return parquet


def test_only_the_needed_columns_of_parquet_count_as_scanned(rows: Any, parquet: Any) -> None:
    bucket = Bucket()
    bucket.objects["s3://b/t/x"] = parquet("SELECT i AS a, repeat('x', 99) || i AS b FROM range(5000) AS r(i)")
    catalog = Tables(table(PARQUET))

    def scanned(sql: str) -> int:
        return int(rows(sql, catalog, bucket)[1])

    of_a, of_b = scanned("SELECT sum(a) FROM t"), scanned("SELECT max(b) FROM t")
    assert 0 < of_a < of_b
    assert scanned("SELECT count(*) FROM t") == 0
    assert scanned("SELECT * FROM t") == of_a + of_b == scanned("SELECT a FROM t WHERE b > 'x'")
    assert scanned("WITH x AS (SELECT a, b FROM t) SELECT a FROM x") == of_a
    assert scanned("SELECT 1 FROM t AS x JOIN t AS y ON x.a = y.a") == 2 * of_a


@pytest.mark.parametrize("loaded", [0, 2**20])
def test_a_missing_parquet_column_is_null_and_a_wrong_type_fails(
    rows: Any, parquet: Any, monkeypatch: pytest.MonkeyPatch, loaded: int
) -> None:
    monkeypatch.setattr(files, "_MAX_LOADED", loaded)
    bucket = Bucket()
    bucket.objects = {"s3://b/t/1": parquet("SELECT 1 AS A"), "s3://b/t/2": parquet("SELECT 'x' AS b")}
    assert rows("SELECT * FROM t ORDER BY a", Tables(table(PARQUET)), bucket)[0] == [["1", None], [None, "x"]]

    bucket.objects = {"s3://b/t/1": parquet("SELECT 'one' AS a")}
    with pytest.raises(Failed, match="HIVE_BAD_DATA"):
        rows("SELECT * FROM t", Tables(table(PARQUET)), bucket)


def test_small_parquet_objects_are_opened_once(engine: Engine, parquet: Any, tmp_path: Path) -> None:
    one, content = Object("b", "t/1", 1), parquet("SELECT 1 AS a")
    copied = files.Files("mention", table(PARQUET), tmp_path)
    copied.copy([(one, Partition((), "s3://b/t/"))], [content])
    copied.create(engine, with_path=False)

    (tmp_path / "mention" / "000000.parquet").unlink()

    assert engine.execute("SELECT a FROM mention").fetchall() == [(1,)]


def test_the_columns_of_a_version_of_an_object_are_measured_once(engine: Engine, parquet: Any, tmp_path: Path) -> None:
    sizes, path = files.ColumnSizes(1), tmp_path / "made.parquet"
    first, second, unversioned = Object("b", "1", 9, "x"), Object("b", "1", 9, "y"), Object("b", "2", 9)

    def measured(one: Object, sql: str) -> set[str]:
        parquet(sql)
        (found,) = sizes.of([one], [path], engine)
        return set(found)

    assert measured(first, "SELECT 1 AS a") == measured(first, "SELECT 1 AS b") == {"a"}
    assert measured(unversioned, "SELECT 1 AS a") != measured(unversioned, "SELECT 1 AS b")
    assert measured(second, "SELECT 1 AS b") == {"b"}
    assert measured(first, "SELECT 1 AS c") == {"c"}  # only the last one is kept


def test_the_columns_of_a_query_that_writes_are_determined_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described: list[str] = []
    columns = Engine.columns

    def counted(engine: Engine, sql: str) -> Any:
        described.append(sql)
        return columns(engine, sql)

    monkeypatch.setattr(Engine, "columns", counted)
    bucket = Bucket()
    query = Query(Tables(table()), bucket, engine, tmp_path, "db", None)  # type: ignore[arg-type]

    written = writes.unload(query, read("UNLOAD (SELECT 1 AS a) TO 's3://b/out' WITH (format = 'JSON')", []))

    assert (written.objects, len(described)) == (list(bucket.objects), 1)


def test_partition_names_can_be_parsed() -> None:
    keyed = table(keys={"day": "string", "name": "string"})

    name = partition_name(keyed, ("2024-01-01", "a/b=c"))

    assert name == "day=2024-01-01/name=a%2Fb%3Dc"
    assert partition_values(keyed, f"{name}/object") == ("2024-01-01", "a/b=c")
    assert partition_values(keyed, "day=2024-01-01/object") is None


# --- results ---


def test_a_result_is_read_back_a_page_at_a_time() -> None:
    written: list[list[str | None]] = [["a", None], ["", '"quoted"'], ["two\nlines", "a,b"]]
    content = "".join(results.csv_lines(written)).encode()
    assert content.startswith(b'"a",\n"","""quoted"""\n')

    first, at = results.read_csv(content, 0, 2)
    second, end = results.read_csv(content, at, 2)

    assert first + second == written
    assert end == len(content)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_can_be_parsed_from_its_java_format(value: float) -> None:
    assert float(results.java_double(value)) == value


def test_a_type_that_hive_does_not_have_fails() -> None:
    assert hive_type("STRUCT(a INTEGER, b VARCHAR[])") == "struct<a:int,b:array<string>>"
    with pytest.raises(Failed, match="NOT_SUPPORTED"):
        hive_type("TIMESTAMP WITH TIME ZONE")


@pytest.mark.parametrize("translated", [duckdb_type, trino_type, hive_type])
def test_a_type_is_parsed_once(translated: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = translated("decimal(21, 3)")
    monkeypatch.setattr(exp.DataType, "build", None)

    assert translated("decimal(21, 3)") == first


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The executions that Athena keeps: none yet."""
    kept = api.athena.AccountRegionScopedDict()
    monkeypatch.setattr(api.athena, "_executions", kept)
    return kept


def execution(submitted: float, state: str = "SUCCEEDED") -> dict[str, Any]:
    return {"Status": {"State": state, "SubmissionDateTime": submitted}}


def test_an_execution_is_kept_for_45_days(executions: Any) -> None:
    now, days = time.time(), 24 * 3600
    executions["old"] = execution(now - 46 * days)
    executions["kept"] = execution(now - 44 * days)

    api.forget_old_executions()

    assert list(executions) == ["kept"]


def test_only_the_newest_executions_are_kept_and_those_that_run(
    executions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "MAX_EXECUTIONS", 2)
    for number, state in enumerate(("SUCCEEDED", "RUNNING", "FAILED", "SUCCEEDED")):
        executions[f"{number}"] = execution(time.time(), state)

    api.forget_old_executions()

    assert list(executions) == ["1", "2", "3"]


def test_recent_executions_are_found_newest_first(executions: Any) -> None:
    for submitted in (1, 2, 3):
        executions[f"{submitted}"] = execution(submitted)

    assert [each["Status"]["SubmissionDateTime"] for each in api.executions_since(2)] == [3, 2]
