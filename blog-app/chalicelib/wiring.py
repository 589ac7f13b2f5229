"""Builds each object once in a process, on first use; what only some functions need is imported there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib import photo_bucket
from chalicelib.photo_bucket import PhotoBucket
from chalicelib.photos import Photos, UploadedPhoto
from chalicelib.post_table import PostTable
from chalicelib.posts import Posts
from chalicelib.subscriber_table import SubscriberTable, change
from chalicelib.subscribers import Subscribers
from common import aws, dynamodb
from common import settings as stage_settings
from common.errors import NotFound

if TYPE_CHECKING:
    from chalicelib.publisher import Publisher
    from chalicelib.welcome import Welcome

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """What the stage's stacks made. ``dax_endpoint`` is empty where there is no DAX cluster."""

    table: str
    posts_stream_arn: str
    subscribers_table: str
    subscribers_stream_arn: str
    photos_bucket: str
    site_bucket: str
    site_url: str
    sender: str
    configuration_set: str
    mail_events_topic: str
    mailing_region: str
    max_photo_pixels: int = 50_000_000
    max_photo_frames: int = 200
    aws_region: str = ""
    dax_endpoint: str = ""


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, _HERE / "stages")


@cache
def posts() -> Posts:
    return Posts(PostTable(dynamodb.client(settings().dax_endpoint), settings().table), _render)


@cache
def photos() -> Photos:
    bucket = PhotoBucket(aws.s3(), settings().photos_bucket)
    return Photos(bucket, settings().max_photo_pixels, settings().max_photo_frames)


def uploaded(event: dict[str, Any]) -> UploadedPhoto:
    """Return what an event of S3 or of EventBridge tells."""
    if "Records" in event:
        return photo_bucket.uploaded_by_s3(event)
    return photo_bucket.uploaded_by_eventbridge(event)


@cache
def subscribers() -> Subscribers:
    return Subscribers(_subscriber_table())


@cache
def _subscriber_table() -> SubscriberTable:
    return SubscriberTable(aws.client("dynamodb"), settings().subscribers_table)


@cache
def welcome() -> Welcome:
    from chalicelib.welcome import Welcome
    from common import email

    mailer = email.Mailer(email.client(), settings().sender, settings().configuration_set)
    template = email.MailTemplate(_HERE / "mails", "welcome")
    standby = settings().mailing_region != settings().aws_region
    return Welcome(_subscriber_table(), mailer, template, settings().site_url, standby)


def welcome_change(record: dict[str, Any]) -> None:
    """Handle a record of the subscribers' stream."""
    welcome().handle(change(record))


def handle_mail_event(message: str) -> None:
    """Take note of what SES says in an SNS message."""
    from common import email

    welcome().apply_feedback(email.feedback(message))


@cache
def publisher() -> Publisher:
    from chalicelib.publisher import Publisher
    from chalicelib.site import Site, read_assets
    from chalicelib.site_bucket import SiteBucket

    site = Site(settings().site_url, "MyBlog", read_assets(_HERE.parent / "web"))
    fresh = Posts(PostTable(aws.client("dynamodb"), settings().table), _render)  # past DAX, whose lists may be old
    return Publisher(fresh, site, SiteBucket(aws.s3(), settings().site_bucket))


def _render(source: str) -> str:
    from chalicelib import markdown

    found = {}
    for photo_id in markdown.photo_ids(source):
        try:
            found[photo_id] = photos().get(photo_id).variants
        except NotFound:
            continue  # shown by its words until it is there
    return markdown.render(source, found)
