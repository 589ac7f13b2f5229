"""The contract of every store of posts: in memory, the table, and the table behind DAX."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import zlib
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError
from post_memory import MemoryPosts
from rows import later, rows

from chalicelib.post_table import PostTable
from chalicelib.posts import Post, PostQuery, PostStore, Rendered
from common import dynamodb
from common.errors import Conflict, InvalidInput, NotFound, PreconditionFailed
from localaws.dax.cache import Cluster

numbers = itertools.count()
HTML = Rendered(key="1-a", html="<h2>Body \N{GRINNING FACE}</h2>")


@pytest.fixture
def table(emulator: str) -> str:
    """The name of a table as in resources.yaml."""
    name = f"{os.environ['TABLE']}-{next(numbers)}"
    listed = ["title", "summary", "tags", "author", "updated_at", "version"]
    boto3.client("dynamodb", endpoint_url=emulator).create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("slug", "list", "published_at")],
        KeySchema=[{"AttributeName": "slug", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-time",
                "KeySchema": [
                    {"AttributeName": "list", "KeyType": "HASH"},
                    {"AttributeName": "published_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": listed},
            }
        ],
    )
    return name


@pytest.fixture(params=["memory", "table", "table behind DAX"])
def store(request: pytest.FixtureRequest) -> PostStore:
    if request.param == "memory":
        return MemoryPosts()
    client: Any = boto3.client("dynamodb", endpoint_url=request.getfixturevalue("emulator"))
    if request.param == "table behind DAX":
        # The query cache would return stale lists, which is its purpose and not tested here.
        client = Cluster(client, query_ttl_millis=1)
    return PostTable(client, request.getfixturevalue("table"))


def a_post(slug: str, day: int = 1, tags: tuple[str, ...] = ("sea",)) -> Post:
    moment = f"2030-01-{day:02}T00:00:00.000Z"
    return Post(
        slug=slug,
        title="Title",
        summary="",
        tags=list(tags),
        author="Ann",
        published_at=moment,
        updated_at=moment,
        version=1,
        body_markdown="# Body",
    )


def slugs(store: PostStore, **query: Any) -> list[list[str]]:
    found, cursor = [], None
    while True:
        page = store.list(PostQuery(cursor=cursor, **query))
        found.append([post.slug for post in page.items])
        cursor = page.cursor
        if cursor is None:
            return found


def test_an_added_post_is_read_completely_and_listed_without_its_body(store: PostStore) -> None:
    post = store.add(a_post("one"), HTML)

    assert store.get("one") == post
    (listed,) = store.list(PostQuery()).items
    assert (listed.slug, listed.title, listed.tags) == ("one", "Title", ["sea"])
    assert not hasattr(listed, "body_markdown") or not isinstance(listed, Post)


def test_a_slug_is_unique(store: PostStore) -> None:
    store.add(a_post("one"), HTML)

    with pytest.raises(Conflict):
        store.add(a_post("one", day=2), HTML)


@pytest.mark.parametrize("slug", ["none", "sea#one", "", "x" * 3000])
def test_a_missing_post_is_none_or_not_found(store: PostStore, slug: str) -> None:
    store.add(a_post("one"), HTML)

    with contextlib.suppress(NotFound):
        assert store.get(slug) is None


def test_lists_are_newest_first_and_their_pages_have_each_post_once(store: PostStore) -> None:
    for day in range(1, 8):
        store.add(a_post(f"p{day}", day, tags=("even",) if day % 2 == 0 else ()), HTML)

    assert slugs(store, limit=3) == [["p7", "p6", "p5"], ["p4", "p3", "p2"], ["p1"]]
    assert slugs(store, limit=2, tag="even") == [["p6", "p4"], ["p2"]]
    assert slugs(store, tag="none") == [[]]
    assert len(slugs(store, limit=7)) == 1, "a last page that is full has no cursor"


def test_posts_of_the_same_time_are_not_lost_between_pages(store: PostStore) -> None:
    for name in "abc":
        store.add(a_post(name), HTML)

    assert sorted(slug for page in slugs(store, limit=1) for slug in page) == ["a", "b", "c"]


def test_a_replaced_post_is_listed_under_its_new_tags_only(store: PostStore) -> None:
    store.add(a_post("one", tags=("sea", "sky")), HTML)

    changed = store.replace(msgspec.structs.replace(a_post("one", tags=("sky", "land")), title="New"), HTML, ["1"])

    assert (changed.version, store.get("one")) == (2, changed)
    assert [slugs(store, tag=tag) for tag in ("sea", "sky", "land")] == [[[]], [["one"]], [["one"]]]


def test_a_stale_change_or_removal_changes_nothing(store: PostStore) -> None:
    post = store.add(a_post("one"), HTML)

    with pytest.raises(PreconditionFailed):
        store.replace(post, HTML, ["2"])
    with pytest.raises(PreconditionFailed):
        store.remove("one", ["2"])
    with pytest.raises(NotFound):
        store.replace(a_post("none"), HTML, None)
    assert store.get("one") == post


class Busy:
    """DynamoDB with one post, which others change before each of the first *changes* transactions."""

    def __init__(self, post: Post, changes: int) -> None:
        self.item = dynamodb.item(msgspec.structs.asdict(post) | {"list": "#posts"})
        self.changes = changes

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": self.item}

    def transact_write_items(self, **_: Any) -> None:
        self.changes -= 1
        if self.changes >= 0:
            raise ClientError({"Error": {"Code": "TransactionCanceledException"}}, "TransactWriteItems")


@pytest.mark.parametrize("changes", [3, 4])
def test_a_change_or_removal_is_tried_four_times(changes: int) -> None:
    post = a_post("one")
    expected = contextlib.nullcontext() if changes == 3 else pytest.raises(Conflict, match="one")

    with expected:
        assert PostTable(Busy(post, changes), "posts").replace(post, HTML, None).version == 2
    with expected:
        PostTable(Busy(post, changes), "posts").remove("one", None)


def test_a_removed_post_is_in_no_list(store: PostStore) -> None:
    store.add(a_post("one", tags=("sea", "sky")), HTML)

    store.remove("one", ["1"])

    assert store.get("one") is None
    assert [slugs(store, **query) for query in ({}, {"tag": "sea"}, {"tag": "sky"})] == [[[]]] * 3


def test_an_invalid_cursor_is_rejected(store: PostStore) -> None:
    with pytest.raises(InvalidInput, match="cursor"):
        store.list(PostQuery(cursor="%%%"))


@rows("blog-app", "Post")
def test_a_post_of_another_release_is_read_and_replaced(emulator: str, table: str, row: dict[str, Any]) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=table, Item=dynamodb.item(row))
    store = PostTable(client, table)

    post = store.get(row["slug"])

    assert post is not None
    assert (post.title, post.body_markdown) == (row["title"], row["body_markdown"])
    assert store.replace(msgspec.structs.replace(post, title="New"), HTML, ["1"]).title == "New"


@rows("blog-app", "Summary")
def test_the_list_of_a_tag_of_another_release_is_read(emulator: str, table: str, row: dict[str, Any]) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=table, Item=dynamodb.item(row))

    (summary,) = PostTable(client, table).list(PostQuery(tag="sea")).items

    assert (summary.slug, summary.title) == ("first-post", row["title"])


def test_the_html_of_a_post_is_read_as_it_was_stored_last(store: PostStore) -> None:
    post = store.add(a_post("one"), HTML)
    assert store.rendered("one") == HTML

    other = Rendered(key="2-b", html="<p>Other</p>" * 100_000)
    changed = store.replace(post, other, None)
    assert store.rendered("one") == other

    store.keep(changed, HTML)
    assert store.rendered("one") == HTML


def test_many_posts_are_read_at_once_with_their_html(store: PostStore) -> None:
    posts = [store.add(a_post(f"p{n}"), Rendered(key=str(n), html=f"<p>{n}</p>")) for n in range(60)]

    found = store.get_all([*(f"p{n}" for n in range(60)), "none"])

    assert found == {f"p{n}": (posts[n], Rendered(key=str(n), html=f"<p>{n}</p>")) for n in range(60)}
    assert store.get_all([]) == {}


def test_sixty_posts_are_read_by_two_requests(emulator: str, table: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    requests: list[str] = []
    client.meta.events.register("before-send", lambda event_name, **_: requests.append(event_name.split(".")[-1]))

    PostTable(client, table).get_all([f"p{n}" for n in range(60)])

    assert requests == ["BatchGetItem"] * 2


def test_html_of_an_earlier_text_or_of_a_removed_post_is_not_kept(store: PostStore) -> None:
    post = store.add(a_post("one"), HTML)
    other = Rendered(key="2-b", html="<p>Other</p>")
    changed = store.replace(post, other, None)

    store.keep(post, HTML)
    assert store.rendered("one") == other

    store.remove("one", None)
    store.keep(changed, other)
    assert store.rendered("one") is None


def test_a_post_of_an_older_release_has_no_html(emulator: str, table: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=table, Item=dynamodb.item({"slug": "one"}))

    assert PostTable(client, table).rendered("one") is None


@rows("blog-app", "Post")
def test_a_post_of_another_release_is_read_with_many(emulator: str, table: str, row: dict[str, Any]) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=table, Item=dynamodb.item(row))
    store = PostTable(client, table)

    assert store.get_all([row["slug"]]) == {row["slug"]: (store.get(row["slug"]), None)}


def test_the_html_of_a_later_release_is_read(emulator: str, table: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    item = {"slug": "#html#one", "key": "1-a", "html": zlib.compress(b"<p>x</p>")}
    client.put_item(TableName=table, Item=dynamodb.item(later(item)))

    assert PostTable(client, table).rendered("one") == Rendered(key="1-a", html="<p>x</p>")


def test_a_post_whose_html_does_not_fit_into_an_item_is_rejected(emulator: str, table: str) -> None:
    store = PostTable(boto3.client("dynamodb", endpoint_url=emulator), table)
    largest = Rendered(key="1-a", html=random.Random(1).randbytes(335_000).hex())

    post = store.add(a_post("one"), largest)

    assert store.rendered("one") == largest
    with pytest.raises(InvalidInput, match="body_markdown"):
        store.replace(post, Rendered(key="1-a", html=largest.html + random.Random(2).randbytes(60_000).hex()), None)
