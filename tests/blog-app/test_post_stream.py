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


def test_a_post_is_as_it_was_before_each_of_its_changes() -> None:
    first, second = posts_before(
        [record("new"), record("one", OLD), record("one", OLD | {"title": "Two"}), record("two", OLD)]
    )

    assert (first["new"], second["new"]) == (None, None)
    assert [each and each.title for each in (first["one"], second["one"])] == ["One", "Two"]
    assert [each and each.title for each in (first["two"], second["two"])] == ["One", "One"]


@pytest.mark.parametrize("key", ["sea#one", "#html#one"])
def test_the_items_of_tags_and_of_html_are_no_posts(key: str) -> None:
    assert posts_before([record(key, OLD)]) == [{}]


@rows("blog-app", "Post")
def test_a_post_of_another_release_is_read(row: dict[str, Any]) -> None:
    (known,) = posts_before([record(row["slug"], row)])
    (before,) = known.values()

    assert before is not None
    assert before.title == row["title"]
