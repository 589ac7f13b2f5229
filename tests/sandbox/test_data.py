"""The console's page of data: what its answers have, that reading changes nothing, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlencode

import boto3
import httpx
import pytest
from starlette.applications import Starlette

from sandbox.console import graph
from sandbox.console.data import answers, buckets, queries, queues, routes, streams, tables

type Json = dict[str, Any]
type Get = Callable[..., httpx.Response]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture(scope="module")
def new(emulator: str) -> Callable[[str], Any]:
    """A function that makes a client of the emulator, once for each service."""
    return cache(lambda service: boto3.client(service, "us-east-1", endpoint_url=emulator))


@pytest.fixture(scope="module")
def name() -> str:
    return f"shop-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def site(emulator: str, new: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Starlette:
    for module in (buckets, queries, queues, streams, tables):
        monkeypatch.setattr(module, "client", new)
    return Starlette(routes=routes.routes("local", emulator))


@pytest.fixture
def get(site: Starlette) -> Get:
    return lambda path, **query: _request(site, "GET", f"/{path}?{urlencode(query)}")


def _request(site: Any, method: str, path: str, content: str = "") -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://127.0.0.1") as client:
            return await client.request(method, path, content=content)

    return asyncio.run(send())


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


# Tables


@pytest.fixture(scope="module")
def sales(new: Callable[[str], Any], name: str) -> str:
    """A table with a number as partition key, a string as sort key, and an index with a binary key."""
    keys = {"year": "N", "day": "S", "mark": "B"}
    new("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": type} for each, type in keys.items()],
        KeySchema=[{"AttributeName": "year", "KeyType": "HASH"}, {"AttributeName": "day", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-mark",
                "KeySchema": [{"AttributeName": "mark", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    for n in range(tables.PAGE + 5):
        item = {"year": {"N": "2026"}, "day": {"S": f"11-{n:02}"}, "mark": {"B": b"\xff"}}
        new("dynamodb").put_item(TableName=name, Item=item)
    new("dynamodb").put_item(TableName=name, Item={"year": {"N": "2027"}, "day": {"S": "01-01"}})
    return name


def test_items_are_read_page_by_page_and_by_keys_of_each_type(get: Get, sales: str) -> None:
    first = get("data/table.json", table=sales).json()
    second = get("data/table.json", table=sales, cursor=first["cursor"]).json()

    titles = [entry["title"] for entry in first["entries"] + second["entries"]]
    assert len(set(titles)) == len(titles) == tables.PAGE + 6
    assert second["cursor"] is None
    assert first["indexes"][0]["keys"] == [{"name": "year", "type": "number"}, {"name": "day", "type": "string"}]

    def found(**query: str) -> list[str]:
        return [entry["title"] for entry in get("data/table.json", table=sales, **query).json()["entries"]]

    assert found(key="2027") == ["2027 · 01-01"]
    assert found(key="2026", sort="11-03") == ["2026 · 11-03"]
    assert found(key="2026", sort="11-0", condition="begins") == [f"2026 · 11-0{n}" for n in range(10)]
    assert found(key="2026", sort="11-28", condition="from") == ["2026 · 11-28", "2026 · 11-29"]
    assert found(key="2026", sort="11-00", condition="to") == ["2026 · 11-00"]
    page = get("data/table.json", table=sales, index="by-mark", key="/w==").json()
    assert (len(page["entries"]), page["entries"][0]["title"][:6]) == (tables.PAGE, "/w== ·")
    rest = get("data/table.json", table=sales, index="by-mark", key="/w==", cursor=page["cursor"]).json()
    assert len(rest["entries"]) == 5


def test_attributes_have_their_types() -> None:
    item = {
        "id": {"S": "7"},
        "price": {"N": "1.50"},
        "paid": {"BOOL": True},
        "raw": {"B": b"\x00\x01"},
        "tags": {"SS": ["a"]},
        "lines": {"L": [{"M": {"n": {"N": "1"}, "b": {"B": b"\x00"}}}]},
        "note": {"NULL": True},
    }

    entry = tables.entry(item, ["id"], ["id"])

    fields = {field["name"]: (field["type"], field["text"]) for field in entry["fields"]}
    assert list(fields) == ["id", "lines", "note", "paid", "price", "raw", "tags"]
    assert fields["price"] == ("number", "1.50")
    assert fields["paid"] == ("boolean", "true")
    assert fields["raw"] == ("binary, in base64", "AAE=")
    assert fields["tags"] == ("set of strings", '["a"]')
    assert json.loads(fields["lines"][1]) == [{"M": {"n": {"N": "1"}, "b": {"B": "AA=="}}}]
    assert (entry["title"], entry["preview"][:12]) == ("7", 'lines: [ { "')


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"key": "next"}, "key=next: year is a number"),
        ({"key": "NaN"}, "key=NaN: year is a number"),
        ({"index": "by-mark", "key": "ÿ"}, "key=ÿ: mark is binary, give it in base64"),
        ({"index": "by-mark", "key": "/w=="} | {"sort": "x"}, "sort=x: there is no sort key besides mark"),
        ({"index": "none"}, "index=none: {} has by-mark"),
        ({"sort": "11"}, "key is missing: a sort key is looked up among the items of one year"),
        ({"key": "1", "sort": "1", "condition": "like"}, "condition=like: give one of equals, begins, from, to"),
        ({"cursor": "x"}, "cursor=x: this is not the cursor of a page, begin with the first one"),
        ({"cursor": "bnVsbA=="}, "cursor=bnVsbA==: this is not the cursor of a page, begin with the first one"),
    ],
)
def test_a_table_is_not_read_by_what_is_no_key(get: Get, sales: str, query: dict[str, str], words: str) -> None:
    assert refused(get("data/table.json", table=sales, **query)) == (400, words.format(sales))


# Buckets


@pytest.fixture(scope="module")
def photos(new: Callable[[str], Any], name: str) -> str:
    s3 = new("s3")
    s3.create_bucket(Bucket=name)
    html = b"<script>alert(1)</script>"
    for key, body, type in (
        ("index.html", html, "text/html"),
        ("drawing.svg", html, "image/svg+xml"),
        ("no-picture.png", html, "image/png"),
        ("a/picture", PNG, "text/html"),
        ("a/raw", b"\xff\x00", "application/octet-stream"),
        ("a/b/long.txt", "ä".encode() * buckets.SHOWN, "text/plain"),
        ("a/b/empty", b"", "text/plain"),
    ):
        s3.put_object(Bucket=name, Key=key, Body=body, ContentType=type, Metadata={"owner": "ann"})
    return name


def test_folders_and_objects_are_listed_page_by_page(get: Get, photos: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root = get("data/bucket.json", bucket=photos).json()
    below = get("data/bucket.json", bucket=photos, prefix="a/").json()
    monkeypatch.setattr(buckets, "PAGE", 1)
    first = get("data/bucket.json", bucket=photos, prefix="a/b/").json()
    second = get("data/bucket.json", bucket=photos, prefix="a/b/", cursor=first["cursor"]).json()

    assert (root["folders"], [each["key"] for each in root["objects"]]) == (
        ["a/"],
        ["drawing.svg", "index.html", "no-picture.png"],
    )
    assert root["objects"][1]["size"] == "25 bytes"
    assert (below["folders"], [each["key"] for each in below["objects"]]) == (["a/b/"], ["a/picture", "a/raw"])
    assert [each["key"] for each in first["objects"] + second["objects"]] == ["a/b/empty", "a/b/long.txt"]
    assert second["cursor"] is None


def test_an_object_is_shown_by_its_bytes_and_never_runs(get: Get, photos: str) -> None:
    def shows(key: str) -> tuple[str, str]:
        found = get("data/object.json", bucket=photos, object=key).json()
        return found["shows"], found["text"][:30]

    for key in ("index.html", "drawing.svg", "no-picture.png"):
        assert shows(key) == ("text", "<script>alert(1)</script>")
        answer = get("data/picture", bucket=photos, object=key)
        assert refused(answer) == (404, f"{key} is no picture of at most 16 MB")
    assert shows("a/picture") == ("picture", "")
    assert shows("a/raw") == ("nothing", "This is neither text nor a pic")
    assert shows("a/b/empty") == ("nothing", "The object is empty.")
    assert shows("a/b/long.txt") == ("text", "ä" * 30)

    picture = get("data/picture", bucket=photos, object="a/picture")
    assert (picture.content, picture.headers["Content-Type"]) == (PNG, "image/png")
    file = get("data/download", bucket=photos, object="index.html")
    assert file.content == b"<script>alert(1)</script>"
    assert file.headers["Content-Type"] == "application/octet-stream"
    assert file.headers["Content-Disposition"] == "attachment; filename*=UTF-8''index.html"
    for answer in (picture, file):
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    fields = get("data/object.json", bucket=photos, object="index.html").json()["fields"]
    assert {"name": "x-amz-meta-owner", "type": "metadata", "text": "ann"} in fields


# Queues


def test_messages_are_read_without_being_received(get: Get, new: Callable[[str], Any], name: str) -> None:
    sqs = new("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    attributes = {"kind": {"DataType": "String", "StringValue": "order"}}
    sqs.send_message(QueueUrl=url, MessageBody='{"price": 5}', MessageAttributes=attributes)
    sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=900)

    for _ in range(2):
        found = get("data/queue.json", queue=name).json()

    assert found["counts"] == {"available": 1, "in flight": 0, "delayed": 1}
    entries = {entry["preview"]: entry for entry in found["entries"]}
    assert entries["late"]["note"] == "delayed, never received"
    assert entries['{"price": 5}']["note"] == "available, never received"
    fields = [tuple(field.values()) for field in entries['{"price": 5}']["fields"]]
    assert fields[:2] == [("Body", "JSON", '{\n  "price": 5\n}'), ("kind", "String", "order")]
    (received,) = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["All"])["Messages"]
    assert received["Attributes"]["ApproximateReceiveCount"] == "1"
    notes = {entry["note"] for entry in get("data/queue.json", queue=name).json()["entries"]}
    assert notes == {"in flight, received once", "delayed, never received"}


# Streams


def test_the_newest_records_of_each_shard_are_decoded(get: Get, new: Callable[[str], Any], name: str) -> None:
    kinesis = new("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    for data in (b'{"value": 1}', b"plain", b"\xff"):
        kinesis.put_record(StreamName=name, Data=data, PartitionKey="pump")

    shards = get("data/stream.json", stream=name).json()["shards"]

    assert [len(shard["entries"]) for shard in shards if shard["complete"]] in ([3, 0], [0, 3])
    entries = [entry for shard in shards for entry in shard["entries"]]
    assert [entry["fields"][0]["type"] for entry in entries] == ["binary, 1 bytes, in base64", "text", "JSON"]
    assert [entry["title"] for entry in entries] == ["pump"] * 3
    assert entries[2]["preview"] == '{ "value": 1 }'


def test_the_stream_of_a_table_shows_what_changed(get: Get, sales: str) -> None:
    arn = get("data/table.json", table=sales).json()["stream"]

    found = get("data/stream.json", stream=arn).json()

    newest = found["shards"][-1]["entries"][0]
    assert found["name"] == sales
    assert (newest["title"], newest["note"]) == ("2027 · 01-01", "INSERT")
    assert json.loads(newest["fields"][0]["text"])["day"] == {"S": "01-01"}


def test_a_shard_that_is_too_long_says_so() -> None:
    def read(ShardIterator: str) -> Json:
        return {"Records": [{"n": int(ShardIterator)}], "NextShardIterator": str(int(ShardIterator) + 1)}

    records, complete = streams.followed(read, "0", lambda answer: False)

    assert ([record["n"] for record in records], complete) == (list(range(streams.READS)), False)


# Athena


class Athena:
    """The part of Athena's and Glue's clients that the page uses, with a query that ended as *status* says."""

    def __init__(self, **status: str) -> None:
        self.status = status
        self.asked: list[Json] = []
        self.rows = [["n"], *([str(n)] for n in range(150))]

    def start_query_execution(self, **asked: Any) -> Json:
        self.asked.append(asked)
        return {"QueryExecutionId": "q1"}

    def get_work_group(self, WorkGroup: str) -> Json:
        return {"WorkGroup": {"Configuration": {"BytesScannedCutoffPerQuery": "10737418240"}}}

    def get_query_execution(self, QueryExecutionId: str) -> Json:
        context = {"Query": "SELECT n", "WorkGroup": "reports", "StatementType": "DML", "Statistics": {}}
        return {"QueryExecution": {"QueryExecutionId": QueryExecutionId, "Status": self.status, **context}}

    def get_query_results(self, QueryExecutionId: str, MaxResults: int, NextToken: str = "0") -> Json:
        start = int(NextToken)
        end = start + MaxResults
        rows = [{"Data": [{"VarCharValue": value} for value in row]} for row in self.rows[start:end]]
        metadata = {"ColumnInfo": [{"Name": "n", "Type": "integer"}]}
        found = {"ResultSet": {"Rows": rows, "ResultSetMetadata": metadata}}
        return found | ({"NextToken": str(end)} if end < len(self.rows) else {})


def _with(monkeypatch: pytest.MonkeyPatch, athena: Athena) -> Athena:
    monkeypatch.setattr(queries, "client", lambda service: athena)
    return athena


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        " -- newest\n/* all */ (select 1) UNION (select 2)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "show tables",
        "DESCRIBE readings",
        "EXPLAIN ANALYZE (FORMAT JSON) SELECT 1",
    ],
)
def test_a_query_that_reads_is_started(site: Starlette, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    athena = _with(monkeypatch, Athena())
    body = {"workgroup": "reports", "database": "shop", "sql": sql}

    answer = _request(site, "POST", "/data/queries", json.dumps(body))

    assert answer.json() == {"id": "q1"}
    assert athena.asked[-1] == {
        "QueryString": sql,
        "WorkGroup": "reports",
        "QueryExecutionContext": {"Database": "shop"},
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "the body is not JSON"),
        ("[]", "give a JSON object with the texts workgroup, database and sql"),
        ('{"sql": 1}', "give a JSON object with the texts workgroup, database and sql"),
        ('{"workgroup": "w", "sql": ""}', "sql is missing"),
        *(
            (json.dumps({"workgroup": "w", "sql": sql}), "sql must read only")
            for sql in (
                "DROP TABLE readings",
                "-- SELECT\nDELETE FROM readings",
                "INSERT INTO a SELECT 1",
                "CREATE TABLE a AS SELECT 1",
                "EXPLAIN ANALYZE INSERT INTO a SELECT 1",
                "UNLOAD (SELECT 1) TO 's3://a/'",
                "MSCK REPAIR TABLE a",
                "SELECTED",
            )
        ),
    ],
)
def test_a_query_that_could_change_something_is_refused(
    site: Starlette, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    athena = _with(monkeypatch, Athena())

    status, message = refused(_request(site, "POST", "/data/queries", body))

    assert (status, message[: len(words)], athena.asked) == (400, words, [])


def test_a_result_is_read_page_by_page_without_the_row_of_names(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    _with(monkeypatch, Athena(State="SUCCEEDED"))

    first = get("data/query.json", query="q1").json()
    second = get("data/query.json", query="q1", cursor=first["cursor"]).json()

    assert [row[0] for row in first["rows"] + second["rows"]] == [str(n) for n in range(150)]
    assert (len(first["rows"]), second["cursor"]) == (queries.PAGE, None)


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("RUNNING", "", None),
        ("SUCCEEDED", "", None),
        ("FAILED", "TABLE_NOT_FOUND: line 1:15", "TABLE_NOT_FOUND: line 1:15"),
        ("CANCELLED", "", "The query ended as CANCELLED."),
        (
            "CANCELLED",
            "Query cancelled! : Bytes scanned limit was exceeded",
            "Athena stopped the query, because it reads more than 10.7 GB, the limit of the workgroup reports. "
            "Read fewer partitions or columns.",
        ),
    ],
)
def test_why_a_query_failed_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, state: str, reason: str, words: str | None
) -> None:
    _with(monkeypatch, Athena())

    assert queries.error({"Status": {"State": state, "StateChangeReason": reason}, "WorkGroup": "reports"}) == words


# All


def test_everything_of_a_stage_is_listed_by_app(
    get: Get, new: Callable[[str], Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new("sqs").create_queue(QueueName=f"{name}-failed")["QueueUrl"]
    new("sqs").send_message(QueueUrl=url, MessageBody="x")
    nodes = [
        graph.Node("shop.Failed", "shop", "queue", "Failed", url),
        graph.Node("shop.Sales", "shop", "table", "Sales", "shop-local-sales"),
        graph.Node("mail.Send", "mail", "function", "send", "mail-local-send"),
    ]
    monkeypatch.setattr(graph, "resources", lambda stage: nodes if stage == "local" else [])

    assert get("data.json").json() == [
        {"app": "mail", "resources": []},
        {
            "app": "shop",
            "resources": [
                {"kind": "table", "name": "Sales", "id": "shop-local-sales", "note": ""},
                {"kind": "queue", "name": "Failed", "id": f"{name}-failed", "note": "1 message"},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("table", {}, 400, "table is missing"),
        ("table", {"table": "none"}, 404, "none"),
        ("bucket", {"bucket": "no-such-bucket"}, 404, "The specified bucket does not exist"),
        ("bucket", {"bucket": "//"}, 400, "Invalid bucket name"),
        ("object", {"bucket": "no-such-bucket", "object": "a"}, 404, "there is no object a in the bucket"),
        ("object", {"bucket": "b"}, 400, "object is missing"),
        ("queue", {"queue": "none"}, 404, "The specified queue does not exist"),
        ("stream", {"stream": "none"}, 404, "none"),
        ("stream", {"stream": "arn:x"}, 400, ""),
        ("workgroup", {}, 400, "workgroup is missing"),
    ],
)
def test_what_is_not_there_or_no_name_is_said_in_words(
    get: Get, path: str, query: dict[str, str], status: int, words: str
) -> None:
    found, message = refused(get(f"data/{path}.json", **query))

    assert (found, words in message, bool(message)) == (status, True, True), message


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1_550_000, "1.6 MB"), (4e12, "4.0 TB")]
)
def test_a_number_of_bytes_in_words(number: float, words: str) -> None:
    assert answers.sized(number) == words
