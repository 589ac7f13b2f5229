"""The DynamoDB table of videos. Adapter for DynamoDB.

A video is the item of its ``id``. The index ``by-time`` lists the videos of one status, newest first. A draft has no
``published_at``, so it is in no list, and it expires after two days, when its uploads have expired.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec.structs import asdict

from chalicelib.videos import StoredVideo, Video, VideoQuery, public
from common import aws, dynamodb, pages
from common.errors import InvalidInput, NotFound
from common.pages import Page

_DRAFT_LIFE = 2 * 24 * 3600
"""Seconds. The bucket aborts an upload after one day."""

_FAILED = "ConditionalCheckFailedException"


class VideoTable:
    """Videos in the table *name*, through *client*."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def add(self, video: StoredVideo) -> bool:
        values = asdict(video) | {"expires_at": int(time.time()) + _DRAFT_LIFE}
        values["files"] = msgspec.json.encode(video.files).decode()
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

    def get(self, video_id: str) -> StoredVideo | None:
        with aws.translated():
            answer = self._client.get_item(
                TableName=self._name, Key=dynamodb.item({"id": video_id}), ConsistentRead=True
            )
        return _video(dynamodb.values(answer["Item"])) if answer.get("Item") else None

    def get_all(self, video_ids: Collection[str]) -> dict[str, Video]:
        keys = [{"id": video_id} for video_id in video_ids]
        videos = map(_video, dynamodb.get_all(self._client, self._name, keys))
        return {video.id: public(video) for video in videos if video.published_at}

    def list(self, query: VideoQuery) -> Page[Video]:
        request: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": "by-time",
            "KeyConditionExpression": "#status = :published",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": dynamodb.item({":published": "published"}),
            "ScanIndexForward": False,
            # One more item than requested shows whether there is another page.
            "Limit": query.limit + 1,
        }
        if query.cursor is not None:
            moment, _, video_id = pages.position(query.cursor).partition(" ")
            key = {"status": "published", "published_at": moment, "id": video_id}
            request["ExclusiveStartKey"] = dynamodb.item(key)
        with aws.translated({"ValidationException": InvalidInput("cursor: not one that this API gave")}):
            answer = self._client.query(**request)
        found = [public(_video(dynamodb.values(item))) for item in answer["Items"]]
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
        """Return whether the condition was true."""
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


def _video(values: dict[str, Any]) -> StoredVideo:
    """Return the video that *values* store; its files are JSON."""
    return msgspec.convert(values | {"files": msgspec.json.decode(values.get("files", "[]"))}, StoredVideo)
