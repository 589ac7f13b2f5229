"""The page of data: what the apps keep, read as a person who looks for one item, object, message or record."""

from __future__ import annotations

import re
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from phone import PHONE, fits
from playwright.sync_api import Page, expect

PAGE = "<script>document.title = 'ran'</script>"


def png() -> bytes:
    """Return a picture of one pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def kept(sandbox: dict[str, Any]) -> Iterator[str]:
    """The name of a table, a bucket, a queue and a stream with something in each."""
    name = f"kept-{uuid.uuid4().hex[:8]}"
    dynamodb, s3, sqs, kinesis = (boto3.client(each) for each in ("dynamodb", "s3", "sqs", "kinesis"))
    keys = {"shop": "S", "n": "N"}
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "shop", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": type} for key, type in keys.items()],
        BillingMode="PAY_PER_REQUEST",
    )
    for n in range(30):
        item = {"shop": {"S": "corner"}, "n": {"N": str(n)}, "lines": {"L": [{"N": "1"}]}}
        dynamodb.put_item(TableName=name, Item=item)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="site/index.html", Body=PAGE, ContentType="text/html")
    s3.put_object(Bucket=name, Key="site/photo", Body=png())
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody='{"order": 7}')
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    kinesis.put_record(StreamName=name, Data=b'{"value": 21.5}', PartitionKey="pump")
    yield name
    dynamodb.delete_table(TableName=name)
    for key in ("site/index.html", "site/photo"):
        s3.delete_object(Bucket=name, Key=key)
    s3.delete_bucket(Bucket=name)
    sqs.delete_queue(QueueUrl=url)
    kinesis.delete_stream(StreamName=name)


def test_an_item_of_a_table_is_found_by_its_typed_key(
    open_page: Callable[..., Page], kept: str, sandbox: dict[str, Any]
) -> None:
    page = open_page("console")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="MyTodoList"))
    card.get_by_role("link", name="What it keeps").click()
    app = page.get_by_role("list", name="Apps").locator("> li").filter(has_text="todo-app")
    app.get_by_role("link", name=re.compile("^table")).first.click()
    expect(page.get_by_role("heading", name=sandbox["todo-app"]["table"])).to_be_visible()
    items = page.get_by_role("list", name="Items").get_by_role("listitem")
    items.first.locator("summary").press("Enter")
    expect(items.first).to_contain_text("string")

    page.goto(f"/data.html?table={kept}")
    expect(items).to_have_count(25)
    page.get_by_role("link", name="Next page").click()
    expect(items).to_have_count(5)
    page.go_back()
    expect(items).to_have_count(25)

    page.get_by_label("shop (string)").fill("corner")
    page.get_by_label("n (number)").fill("28")
    page.get_by_label("Condition").select_option("at least")
    page.get_by_role("button", name="Read").click()
    expect(items).to_have_count(2)
    expect(page).to_have_url(re.compile(r"key=corner&condition=from&sort=28$"))
    items.first.locator("summary").click()
    expect(items.first.get_by_role("definition")).to_have_text(["corner", "28", '[\n  {\n    "N": "1"\n  }\n]'])
    boto3.client("dynamodb").delete_item(TableName=kept, Key={"shop": {"S": "corner"}, "n": {"N": "29"}})
    expect(items).to_have_count(1)

    page.get_by_label("n (number)").fill("many")
    page.get_by_role("button", name="Read").click()
    expect(page.get_by_role("alert")).to_have_text("sort=many: n is a number")


def test_an_object_is_previewed_and_downloaded_but_never_runs(
    open_page: Callable[..., Page], kept: str, tmp_path: Path
) -> None:
    page = open_page("console")
    page.goto(f"/data.html?bucket={kept}")
    page.get_by_role("link", name="site/").click()
    page.get_by_role("link", name="photo").click()
    picture = page.get_by_role("img", name="site/photo")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 1)

    page.get_by_role("navigation", name="Where you are").get_by_role("link", name="site/").click()
    page.get_by_role("link", name="index.html").click()
    expect(page.get_by_label("The object as text")).to_have_text(PAGE)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "saved")
    assert download.value.suggested_filename == "index.html"
    assert (tmp_path / "saved").read_text() == PAGE
    expect(page).to_have_title("index.html · Data · Sandbox")


def test_a_query_shows_its_result_or_why_there_is_none(open_page: Callable[..., Page], sandbox: dict[str, Any]) -> None:
    page = open_page("console")
    page.goto(f"/data.html?workgroup={sandbox['pipeline-app']['athena_workgroup']}")
    expect(page.get_by_text("that is the limit of this workgroup")).to_contain_text("10.7 GB")
    expect(page.get_by_label("Database")).to_have_value(sandbox["pipeline-app"]["athena_database"])
    page.get_by_text("Tables and their columns").click()
    expect(page.get_by_role("definition").filter(has_text="device_id").first).to_be_visible()

    page.get_by_label("SQL").fill("SELECT n FROM UNNEST(sequence(1, 150)) AS t(n) ORDER BY n")
    page.get_by_role("button", name="Run the query").click()
    rows = page.get_by_role("group", name="Result").get_by_role("row")
    expect(rows).to_have_count(101)
    page.get_by_role("link", name="Next page").click()
    expect(rows).to_have_count(51)
    expect(rows.nth(1)).to_have_text("101")

    page.get_by_label("SQL").fill("SELECT * FROM nowhere")
    page.get_by_role("button", name="Run the query").click()
    expect(page.get_by_role("alert").filter(has_text="nowhere")).to_be_visible()
    page.get_by_label("SQL").fill("DROP TABLE nowhere")
    page.get_by_role("button", name="Run the query").click()
    expect(page.get_by_role("alert").filter(has_text="sql must read only")).to_be_visible()


def test_the_data_fits_a_phone_without_shifts(
    new_page: Callable[..., Page], sandbox: dict[str, Any], kept: str
) -> None:
    page = new_page(base_url=sandbox["console"], **PHONE)
    for address, shown in {
        "": "pipeline-app",
        f"?table={kept}": "corner",
        f"?bucket={kept}&prefix=site/": "photo",
        f"?bucket={kept}&object=site/index.html": "ran",
        f"?queue={kept}": "never received",
        f"?stream={kept}": "pump",
        f"?workgroup={sandbox['pipeline-app']['athena_workgroup']}": "Run the query",
    }.items():
        page.goto(f"/data.html{address}")
        expect(page.get_by_role("main").get_by_text(shown).first).to_be_visible()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        fits(page, address)
