"""The stream of the table of posts, which says what each changed post was like before."""

from __future__ import annotations

from typing import Any

import pytest
from rows import rows

from chalicelib.post_stream import posts_before
from common import dynamodb

OLD = {
    "slug": "one",
    "title": "One",
    "summary": "",
    "tags": ["sea"],
    "author": "Ann",
    "published_at": "2030-01-01T00:00:00.000Z",
    "updated_at": "2030-01-01T00:00:00.000Z",
    "version": 1,
}


def record(slug: str, old: dict[str, Any] | None = None) -> dict[str, Any]:
    change: dict[str, Any] = {"Keys": {"slug": {"S": slug}}}
    return {"dynamodb": change | ({"OldImage": dynamodb.item(old)} if old else {})}


def test_a_post_is_as_it_was_before_the_first_of_its_changes() -> None:
    before = posts_before(
        [record("new"), record("one", OLD), record("one", OLD | {"title": "Two"}), record("new", OLD)]
    )

    assert before["new"] is None
    assert before["one"] is not None
    assert (before["one"].title, before["one"].tags) == ("One", ["sea"])


@pytest.mark.parametrize("key", ["sea#one", "#html#one"])
def test_the_items_of_tags_and_of_html_are_no_posts(key: str) -> None:
    assert posts_before([record(key, OLD)]) == {}


@rows("blog-app", "Post")
def test_a_post_of_another_release_is_read(row: dict[str, Any]) -> None:
    (before,) = posts_before([record(row["slug"], row)]).values()

    assert before is not None
    assert before.title == row["title"]
