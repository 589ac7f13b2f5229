"""The DynamoDB global table of posts. Adapter for DynamoDB.

A post is the item of its ``slug``. The index ``by-time`` lists all posts, newest first. For each tag of a post the
table has one more item, without the body: its ``slug`` is ``<tag>#<slug>``, and the same index lists it under the tag.
The HTML of a post is in the item ``#html#<slug>``, compressed. A post, its tags and its HTML change in one transaction.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from itertools import batched
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct

from chalicelib.posts import Post, PostQuery, Rendered, Summary, at_version
from common import aws, dynamodb, pages
from common.errors import Conflict, InvalidInput, NotFound
from common.pages import Page

_ALL = "#posts"
"""The name of the list of all posts, which no tag can have."""

_MAX_HTML = 390_000
"""Compressed bytes, which leave room for the key in an item of 400 KB.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
"""

_BATCH = 50
"""Posts in one request, each with its HTML. BatchGetItem reads at most 100 items."""

_TRIES = 4

type Items = list[dict[str, Any]]


class StoredHtml(Struct, kw_only=True):
    """The HTML of a post: ``html`` is compressed by zlib."""

    key: str
    html: bytes


class PostTable:
    """Posts in the DynamoDB table *name*, through *client* (DynamoDB's own or DAX's)."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def add(self, post: Post, rendered: Rendered) -> Post:
        puts = [self._put(item) for item in _items(post, rendered)]
        puts[0]["Put"] |= {
            "ConditionExpression": "attribute_not_exists(#slug)",
            "ExpressionAttributeNames": {"#slug": "slug"},
        }
        with aws.translated({"TransactionCanceledException": Conflict(f"the slug {post.slug!r} is taken")}):
            self._client.transact_write_items(TransactItems=puts)
        return post

    def get(self, slug: str, cached: bool = False) -> Post | None:
        if not is_post(slug):
            return None
        with aws.translated({"ValidationException": NotFound(f"there is no post {slug[:100]!r}")}):
            answer = self._client.get_item(
                TableName=self._name, Key=dynamodb.item({"slug": slug}), ConsistentRead=not cached
            )
        return _read(answer["Item"], Post) if answer.get("Item") else None

    def rendered(self, slug: str, cached: bool = False) -> Rendered | None:
        with aws.translated():
            answer = self._client.get_item(
                TableName=self._name, Key=dynamodb.item({"slug": _html_key(slug)}), ConsistentRead=not cached
            )
        return _rendered(dynamodb.read(answer["Item"], StoredHtml)) if answer.get("Item") else None

    def get_all(self, slugs: Collection[str]) -> dict[str, tuple[Post, Rendered | None]]:
        found: dict[str, tuple[Post, Rendered | None]] = {}
        for some in batched(slugs, _BATCH):
            keys = [{"slug": key} for slug in some for key in (slug, _html_key(slug))]
            items = {each["slug"]: each for each in dynamodb.get_all(self._client, self._name, keys, consistent=True)}
            for slug in some:
                if slug in items:
                    html = items.get(_html_key(slug))
                    post = msgspec.convert(items[slug], Post)
                    found[slug] = post, _rendered(msgspec.convert(html, StoredHtml)) if html else None
        return found

    def keep(self, post: Post, rendered: Rendered) -> None:
        unchanged = {"ConditionCheck": {"TableName": self._name, "Key": dynamodb.item({"slug": post.slug})}}
        self._changed([unchanged, self._put(_html_item(post.slug, rendered))], post)

    def list(self, query: PostQuery) -> Page[Summary]:
        list_name = query.tag or _ALL
        request: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": "by-time",
            "KeyConditionExpression": "#list = :list",
            "ExpressionAttributeNames": {"#list": "list"},
            "ExpressionAttributeValues": {":list": {"S": list_name}},
            "ScanIndexForward": False,
            # One more item than requested shows whether there is another page.
            "Limit": query.limit + 1,
        }
        if query.cursor is not None:
            moment, _, slug = pages.position(query.cursor).partition(" ")
            key = {"list": list_name, "published_at": moment, "slug": _key(query.tag, slug)}
            request["ExclusiveStartKey"] = dynamodb.item(key)
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            answer = self._client.query(**request)
        found = [_read(item, Summary) for item in answer["Items"]]
        page = found[: query.limit]
        more = len(found) > query.limit or "LastEvaluatedKey" in answer
        return Page(page, pages.cursor(f"{page[-1].published_at} {page[-1].slug}") if more and page else None)

    def replace(self, post: Post, rendered: Rendered, versions: Collection[str] | None) -> Post:
        for _ in range(_TRIES):
            stored = at_version(self.get(post.slug), post.slug, versions)
            changed = msgspec.structs.replace(post, version=stored.version + 1)
            removed = set(stored.tags) - set(changed.tags)
            changes = [self._put(item) for item in _items(changed, rendered)]
            changes += [self._delete(_key(tag, post.slug)) for tag in sorted(removed)]
            if self._changed(changes, stored):
                return changed
        raise Conflict(f"other requests keep changing post {post.slug}, please try again")

    def remove(self, slug: str, versions: Collection[str] | None) -> None:
        for _ in range(_TRIES):
            stored = at_version(self.get(slug), slug, versions)
            keys = [slug, *(_key(tag, slug) for tag in stored.tags), _html_key(slug)]
            if self._changed([self._delete(key) for key in keys], stored):
                return
        raise Conflict(f"other requests keep changing post {slug}, please try again")

    def _changed(self, changes: Items, stored: Post) -> bool:
        """Make *changes*, of which the first is of the post. Return False if the post is no longer as *stored*."""
        (first,) = changes[0].values()
        first |= {
            "ConditionExpression": "#version = :version",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": dynamodb.item({":version": stored.version}),
        }
        try:
            with aws.translated():
                self._client.transact_write_items(TransactItems=changes)
        except ClientError as error:
            if aws.code(error) != "TransactionCanceledException":
                raise
            return False
        return True

    def _put(self, item: dict[str, Any]) -> dict[str, Any]:
        return {"Put": {"TableName": self._name, "Item": dynamodb.item(item)}}

    def _delete(self, key: str) -> dict[str, Any]:
        return {"Delete": {"TableName": self._name, "Key": dynamodb.item({"slug": key})}}


def is_post(key: str) -> bool:
    """Return whether the item with this key is a post, and not of one of its tags or its HTML."""
    return "#" not in key and key != ""


def _items(post: Post, rendered: Rendered) -> Items:
    """Return the items of the post, of its tags, which have no body, and of its HTML."""
    whole = msgspec.structs.asdict(post) | {"list": _ALL}
    del whole["body_html"]
    listed = {name: value for name, value in whole.items() if name != "body_markdown"}
    tags = [listed | {"slug": _key(tag, post.slug), "list": tag} for tag in post.tags]
    return [whole, *tags, _html_item(post.slug, rendered)]


def _html_item(slug: str, rendered: Rendered) -> dict[str, Any]:
    html = zlib.compress(rendered.html.encode())
    if len(html) > _MAX_HTML:
        raise InvalidInput(
            f"body_markdown: its HTML has {len(html):,} bytes when compressed, and at most {_MAX_HTML:,} fit"
        )
    return {"slug": _html_key(slug), "key": rendered.key, "html": html}


def _rendered(stored: StoredHtml) -> Rendered:
    return Rendered(key=stored.key, html=zlib.decompress(stored.html).decode())


def _html_key(slug: str) -> str:
    return f"#html#{slug}"


def _key(tag: str | None, slug: str) -> str:
    return f"{tag}#{slug}" if tag else slug


def _read[T: Summary](item: dict[str, Any], cls: type[T]) -> T:
    stored = dynamodb.read(item, cls)
    return msgspec.structs.replace(stored, slug=stored.slug.rpartition("#")[2])
