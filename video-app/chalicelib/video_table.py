"""The DynamoDB table of videos: the only module that knows how they lie in it.

A video is the item of its ``id``. The index ``by-time`` lists the videos of one status, newest first; a draft has no
``published_at`` and is in no list, and is forgotten after two days, when its uploads are gone.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec.structs import asdict

from chalicelib.videos import Record, Video, VideoQuery, public
from common import aws, dynamodb, pages
from common.errors import InvalidInput, NotFound
from common.pages import Page

_DRAFT_LIFE = 2 * 24 * 3600
"""Seconds. The bucket ends an upload after one day."""

_FAILED = "ConditionalCheckFailedException"


class VideoTable:
    """Videos in the table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def add(self, record: Record) -> bool:
        values = asdict(record) | {"expires_at": int(time.time()) + _DRAFT_LIFE}
        values["files"] = msgspec.json.encode(record.files).decode()
        del values["published_at"]
        try:
            with aws.translated():
                self._client.put_item(
                    TableName=self._name,
                    Item=dynamodb.item(values),
                    ConditionExpression="attribute_not_exists(id)",
                )
        except ClientError as error:
            if aws.code(error) != _FAILED:
                raise
            return False
        return True

    def get(self, video_id: str) -> Record | None:
        with aws.translated():
            answer = self._client.get_item(
                TableName=self._name, Key=dynamodb.item({"id": video_id}), ConsistentRead=True
            )
        return _record(dynamodb.values(answer["Item"])) if answer.get("Item") else None

    def get_all(self, video_ids: Collection[str]) -> dict[str, Video]:
        keys = [{"id": video_id} for video_id in video_ids]
        records = map(_record, dynamodb.get_all(self._client, self._name, keys))
        return {record.id: public(record) for record in records if record.published_at}

    def list(self, query: VideoQuery) -> Page[Video]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": "by-time",
            "KeyConditionExpression": "#status = :published",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": dynamodb.item({":published": "published"}),
            "ScanIndexForward": False,
            # One more than asked for tells whether there is another page.
            "Limit": query.limit + 1,
        }
        if query.cursor is not None:
            moment, _, video_id = pages.position(query.cursor).partition(" ")
            key = {"status": "published", "published_at": moment, "id": video_id}
            request["ExclusiveStartKey"] = dynamodb.item(key)
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            answer = self._client.query(**request)
        found = [public(_record(dynamodb.values(item))) for item in answer["Items"]]
        page = found[: query.limit]
        more = len(found) > query.limit or "LastEvaluatedKey" in answer
        return Page(page, pages.cursor(f"{page[-1].published_at} {page[-1].id}") if more and page else None)

    def publish(self, video_id: str, at: str) -> None:
        values = {":published": "published", ":draft": "draft", ":at": at}
        change = "SET #status = :published, published_at = :at REMOVE expires_at, files"
        self._update(video_id, change, "#status = :draft", values)

    def withdraw(self, video_id: str) -> None:
        if not self._update(video_id, "SET #status = :withdrawn", "attribute_exists(id)", {":withdrawn": "withdrawn"}):
            raise NotFound(f"there is no video {video_id}")

    def _update(self, video_id: str, change: str, condition: str, values: dict[str, Any]) -> bool:
        """Return whether the condition held."""
        try:
            with aws.translated():
                self._client.update_item(
                    TableName=self._name,
                    Key=dynamodb.item({"id": video_id}),
                    UpdateExpression=change,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues=dynamodb.item(values),
                )
        except ClientError as error:
            if aws.code(error) != _FAILED:
                raise
            return False
        return True


def _record(values: dict[str, Any]) -> Record:
    """The index has neither files nor fingerprint."""
    files = msgspec.json.decode(values.get("files", "[]"))
    numbers = {name: int(values[name]) for name in ("duration", "price")}
    return msgspec.convert({"fingerprint": "", "streams": False, **values, **numbers, "files": files}, type=Record)
