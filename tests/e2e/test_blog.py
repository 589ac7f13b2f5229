"""The deployed blog: read through the edge, written with an author's key, with private buckets."""

from __future__ import annotations

import io
import json
import random
import re
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from PIL import Image
from users import Author, stage
from waiting import until

from deploy import site

ROOT = Path(__file__).parent.parent.parent
TEXT = {"title": "A test", "body_markdown": "Hello *there*.", "tags": ["testing"]}


@pytest.fixture(scope="module")
def blog(sandbox: dict[str, Any]) -> dict[str, Any]:
    outputs: dict[str, Any] = sandbox["blog-app"]
    return outputs


@pytest.fixture(scope="module")
def author(blog: dict[str, Any]) -> Author:
    return Author.of(blog)


@pytest.fixture
def slug(author: Author) -> Iterator[str]:
    """A slug for a post, which is deleted after the test."""
    slug = f"test-{uuid.uuid4().hex[:12]}"
    yield slug
    author.send("DELETE", f"/posts/{slug}")


# Posts


def test_a_post_is_created_read_changed_and_deleted(author: Author, slug: str) -> None:
    created = author.send("POST", "/posts", {"slug": slug, **TEXT})
    assert (created.status_code, created.json()["body_html"]) == (201, "<p>Hello <em>there</em>.</p>\n")
    assert author.send("POST", "/posts", {"slug": slug, **TEXT}).text == created.text
    assert author.send("POST", "/posts", {"slug": slug, **TEXT, "title": "Other"}).status_code == 409

    changed = author.send("PUT", f"/posts/{slug}", {**TEXT, "title": "New"}, If_Match=created.headers["ETag"])
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    stale = author.send("PUT", f"/posts/{slug}", TEXT, If_Match=created.headers["ETag"])
    assert stale.status_code == 412
    assert author.send("DELETE", f"/posts/{slug}").status_code == 204
    assert author.send("DELETE", f"/posts/{slug}").status_code == 404


def test_the_html_of_a_post_of_an_older_release_is_stored_by_the_regular_run(
    author: Author, blog: dict[str, Any], sandbox: dict[str, Any], slug: str
) -> None:
    created = author.send("POST", "/posts", {"slug": slug, **TEXT}).json()
    dynamodb = boto3.client("dynamodb", endpoint_url=sandbox["endpoint"])
    html = {"TableName": blog["table"], "Key": {"slug": {"S": f"#html#{slug}"}}}

    dynamodb.delete_item(**html)
    assert httpx.get(f"{blog['api']}/posts/{slug}").json()["body_html"] == created["body_html"]
    site.publish("blog-app", stage())

    assert dynamodb.get_item(**html).get("Item")


def test_writing_needs_an_authors_key(blog: dict[str, Any], sandbox: dict[str, Any]) -> None:
    iam = boto3.client("iam", endpoint_url=sandbox["endpoint"])
    name = f"stranger-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stranger = Author(blog, key["AccessKeyId"], key["SecretAccessKey"])
    forger = Author(blog, blog["author_access_key_id"], "wrong")

    for method, path in [("POST", "/posts"), ("PUT", "/posts/x"), ("DELETE", "/posts/x"), ("POST", "/photos")]:
        assert httpx.request(method, blog["api"] + path, json=TEXT).status_code == 403
        assert stranger.send(method, path, TEXT).status_code == 403
        assert forger.send(method, path, TEXT).status_code == 403


# The edge


def test_the_second_read_comes_from_the_edge(blog: dict[str, Any]) -> None:
    for path in ("/", "/posts/reading-at-the-edge/", "/tags/edge/", "/feed.xml", "/api/posts", "/api/posts?limit=1"):
        first = httpx.get(blog["site"] + path)
        second = httpx.get(blog["site"] + path)

        assert (first.status_code, second.status_code) == (200, 200), path
        assert "Hit from cloudfront" in second.headers["X-Cache"], path
        assert second.content == first.content


def test_an_edit_is_seen_at_once_after_an_invalidation(
    author: Author, blog: dict[str, Any], sandbox: dict[str, Any], slug: str
) -> None:
    page = f"{blog['site']}/posts/{slug}/"
    key = f"posts/{slug}/index.html"
    s3 = boto3.client("s3", endpoint_url=sandbox["endpoint"])

    def written(text: str) -> bool:
        try:
            body = s3.get_object(Bucket=blog["site_bucket"], Key=key)["Body"].read()
        except ClientError:
            return False
        return text in body.decode()

    author.send("POST", "/posts", {"slug": slug, **TEXT})
    until(lambda: written("Hello"))
    assert "Hello" in httpx.get(page).text
    author.send("PUT", f"/posts/{slug}", {**TEXT, "body_markdown": "Goodbye."})
    until(lambda: written("Goodbye"))
    assert "Hello" in httpx.get(page).text, "kept for a minute"

    cloudfront = boto3.client("cloudfront", endpoint_url=sandbox["endpoint"])
    paths = {"Quantity": 1, "Items": [f"/posts/{slug}*"]}
    batch = {"Paths": paths, "CallerReference": uuid.uuid4().hex}
    cloudfront.create_invalidation(DistributionId=blog["distribution_id"], InvalidationBatch=batch)

    assert "Goodbye" in until(lambda: (text := httpx.get(page).text) and "Goodbye" in text and text, seconds=30)


def test_many_first_reads_reach_the_origin_once(
    author: Author, blog: dict[str, Any], sandbox: dict[str, Any], slug: str
) -> None:
    author.send("POST", "/posts", {"slug": slug, **TEXT})
    url = f"{blog['site']}/api/posts/{slug}?cursor={slug}"
    with httpx.Client(limits=httpx.Limits(max_connections=100)) as client, ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: client.get(url), range(500)))

    assert {answer.status_code for answer in answers} == {200}
    # Each invocation of the function has its own correlation id.
    assert len({answer.headers["X-Correlation-Id"] for answer in answers}) == 1


def test_the_buckets_answer_only_the_edge(blog: dict[str, Any], sandbox: dict[str, Any]) -> None:
    endpoint, site = sandbox["endpoint"], blog["site"]
    photo = re.search(r"/thumbnails/[^ \"]+\.webp", httpx.get(site + "/").text)
    assert photo

    for bucket, key in ((blog["site_bucket"], "/index.html"), (blog["photos_bucket"], photo[0])):
        assert httpx.get(f"{endpoint}/{bucket}{key}").status_code == 403
        assert httpx.get(f"{endpoint}/{bucket}/").status_code == 403
        assert httpx.get(site + key).status_code == 200
    assert httpx.get(f"{site}/uploads/x.jpg").status_code == 404


def test_a_missing_page_has_an_error_page(blog: dict[str, Any]) -> None:
    missing = httpx.get(f"{blog['site']}/nothing-here/")

    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert httpx.get(f"{blog['site']}/api/posts/nothing-here").json()["Code"] == "NotFound"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/posts", 403, "Forbidden"),
        ("DELETE", "/posts/reading-at-the-edge", 403, "Forbidden"),
        ("GET", "/photos", 403, "Forbidden"),
        ("GET", "/nothing-here", 404, "NotFound"),
        ("GET", "/", 404, "NotFound"),
    ],
)
def test_the_api_answers_as_an_api_through_the_edge(
    blog: dict[str, Any], method: str, path: str, status: int, code: str
) -> None:
    answer = httpx.request(method, f"{blog['site']}/api{path}")

    assert (answer.status_code, answer.json()["Code"]) == (status, code)


def test_pages_have_security_headers(blog: dict[str, Any]) -> None:
    headers = httpx.get(blog["site"]).headers

    assert "script-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert httpx.get(f"{blog['site']}/posts/reading-at-the-edge").headers["Location"] == "/posts/reading-at-the-edge/"


# Photos


def a_photo(width: int, height: int, quality: int = 90) -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3)).save(
        file, "JPEG", quality=quality
    )
    return file.getvalue()


def upload(author: Author, content: bytes, name: str = "a.jpg", size: int | None = None) -> tuple[str, int]:
    requested = {"filename": name, "content_type": "image/jpeg", "size": size or len(content)}
    signed = author.send("POST", "/photos", requested).json()
    sent = httpx.post(signed["url"], data=signed["fields"], files={"file": (name, content)})
    return signed["id"], sent.status_code


def settled(blog: dict[str, Any], photo_id: str) -> dict[str, Any]:
    def find() -> dict[str, Any] | None:
        photo: dict[str, Any] = httpx.get(f"{blog['api']}/photos/{photo_id}").json()
        return photo if photo["status"] != "pending" else None

    return until(find)


def test_a_photo_over_six_megabytes_becomes_thumbnails_at_the_edge(author: Author, blog: dict[str, Any]) -> None:
    content = a_photo(3000, 2000, quality=95)
    assert len(content) > 6_000_000

    photo_id, status = upload(author, content)
    photo = settled(blog, photo_id)

    assert status == 204
    assert {(v["width"], v["format"]) for v in photo["variants"]} == {
        (width, kind) for width in (320, 640, 1280) for kind in ("jpeg", "webp")
    }
    for variant in photo["variants"]:
        answer = httpx.get(blog["site"] + variant["url"])
        assert Image.open(io.BytesIO(answer.content)).size == (variant["width"], variant["height"])
        assert "immutable" in answer.headers["Cache-Control"]


def test_a_file_that_is_no_photo_is_rejected_with_a_reason(author: Author, blog: dict[str, Any]) -> None:
    for content in (b"<html>", a_photo(200, 200)[:500]):
        photo_id, _ = upload(author, content)
        photo = settled(blog, photo_id)
        assert (photo["status"], photo["variants"]) == ("rejected", [])
        assert photo["reason"]


def test_an_upload_must_match_its_request(author: Author) -> None:
    assert upload(author, b"x" * 11, size=10)[1] == 400
    refused = author.send("POST", "/photos", {"filename": "a.svg", "content_type": "image/svg+xml", "size": 1})
    assert refused.status_code == 400
    assert "content_type" in refused.json()["Message"]


def test_the_thumbnail_function_may_read_uploads_and_write_thumbnails_and_nothing_else(
    blog: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    policy = (ROOT / "blog-app/.chalice/policies/test/make-thumbnails.json").read_text()
    iam = boto3.client("iam", endpoint_url=sandbox["endpoint"])
    name = f"thumbnails-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="policy", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    s3 = boto3.client("s3", endpoint_url=sandbox["endpoint"], **keys)
    dynamodb = boto3.client("dynamodb", endpoint_url=sandbox["endpoint"], **keys)
    photos, site = blog["photos_bucket"], blog["site_bucket"]

    s3.put_object(Bucket=photos, Key="thumbnails/test/x", Body=b"x")
    refused: list[Callable[[], Any]] = [
        lambda: s3.put_object(Bucket=photos, Key="uploads/test/x", Body=b"x"),
        lambda: s3.delete_object(Bucket=photos, Key="uploads/test/x"),
        lambda: s3.list_objects_v2(Bucket=photos),
        lambda: s3.get_object(Bucket=site, Key="index.html"),
        lambda: s3.put_object(Bucket=site, Key="index.html", Body=b"x"),
        lambda: dynamodb.get_item(TableName=blog["table"], Key={"slug": {"S": "x"}}),
        lambda: dynamodb.scan(TableName=blog["subscribers_table"]),
    ]
    for attempt in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()


# Subscribers


def mails_to(sandbox: dict[str, Any], email: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{sandbox['console']}/mails.json") as answer:
        return [mail for mail in json.load(answer) if email in mail["To"]]


def test_a_subscriber_is_welcomed_once_and_can_unsubscribe_with_one_click(
    blog: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    for form in (email, email.upper(), f" {email} "):
        assert httpx.post(f"{blog['site']}/api/subscribers", json={"email": form}).status_code == 202

    mail = until(lambda: mails_to(sandbox, email))[0]
    token = re.search(r"token=([\w-]+)", mail["BodyText"])
    assert token
    click = {"List-Unsubscribe": "One-Click"}
    assert httpx.post(f"{blog['site']}/api/unsubscribe/{token[1]}", data=click).status_code == 204
    assert httpx.delete(f"{blog['site']}/api/subscribers/{token[1]}").status_code == 404
    assert len(mails_to(sandbox, email)) == 1


@pytest.mark.parametrize(
    "email", ["ann", "ann@", "@example.com", "a@b@c.example", "ann@example.com\r\nBcc: x@y.example", 1]
)
def test_an_invalid_address_is_refused(blog: dict[str, Any], email: Any) -> None:
    refused = httpx.post(f"{blog['api']}/subscribers", json={"email": email})

    assert refused.status_code == 400
    assert "email" in refused.json()["Message"]


def test_a_poison_record_delays_no_other_and_is_kept_with_its_position(
    blog: dict[str, Any], sandbox: dict[str, Any]
) -> None:
    poison = uuid.uuid4().hex
    emails = [f"{uuid.uuid4().hex}@example.com" for _ in range(16)]
    dynamodb = boto3.client("dynamodb", endpoint_url=sandbox["endpoint"])
    with ThreadPoolExecutor(8) as pool:
        for number, email in enumerate(emails):
            pool.submit(httpx.post, f"{blog['api']}/subscribers", json={"email": email})
            if number == 8:
                item = {"id": {"S": poison}, "kind": {"S": "subscriber"}}
                pool.submit(dynamodb.put_item, TableName=blog["subscribers_table"], Item=item)

    def all_mailed() -> bool:
        with urllib.request.urlopen(f"{sandbox['console']}/mails.json") as answer:
            recipients = [address for mail in json.load(answer) for address in mail["To"]]
        return all(recipients.count(email) == 1 for email in emails)

    assert until(all_mailed, seconds=120)
    sqs = boto3.client("sqs", endpoint_url=sandbox["endpoint"])
    queue = sqs.get_queue_url(QueueName=f"blog-app-{stage()}-failed")["QueueUrl"]

    def failed_batch() -> Any:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        return next((batch for each in messages if (batch := json.loads(each["Body"]).get("DDBStreamBatchInfo"))), None)

    batch = until(failed_batch)
    assert batch["streamArn"] == blog["subscribers_stream_arn"]
    assert batch["batchSize"] == 1
