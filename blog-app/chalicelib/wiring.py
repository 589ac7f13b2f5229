"""Builds each object once in a process, on first use; modules that only some functions need are imported there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.image_files import MAX_PIXELS
from chalicelib.photo_bucket import PhotoBucket
from chalicelib.photos import Photos
from chalicelib.post_table import PostTable
from chalicelib.posts import Posts
from chalicelib.rendering import Renderer
from chalicelib.subscriber_table import SubscriberTable
from chalicelib.subscribers import Subscribers
from common import aws, dynamodb
from common import settings as stage_settings

if TYPE_CHECKING:
    from chalicelib.publisher import Publisher
    from chalicelib.subscriber_stream import SubscriberStream
    from chalicelib.welcome import Welcome

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """The outputs of the stage's stacks. ``dax_endpoint`` is empty if there is no DAX cluster.

    ``standby_region`` is empty if the app runs in one Region, and in a second one.
    """

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
    standby_region: str = ""
    max_photo_pixels: int = MAX_PIXELS
    aws_region: str = ""
    dax_endpoint: str = ""

    @property
    def standby(self) -> bool:
        """Return whether another Region sends the mails."""
        return self.mailing_region != self.aws_region


@cache
def settings() -> Settings:
    return stage_settings.load(Settings, _HERE / "stages")


@cache
def posts() -> Posts:
    table = PostTable(dynamodb.client(settings().dax_endpoint), settings().table)
    return Posts(table, _renderer())


@cache
def photos() -> Photos:
    bucket = PhotoBucket(aws.s3(), settings().photos_bucket)
    return Photos(bucket, settings().max_photo_pixels)


@cache
def _renderer() -> Renderer:
    return Renderer(photos())


@cache
def subscribers() -> Subscribers:
    return Subscribers(_subscriber_table(), site=settings().site_url)


@cache
def _subscriber_table() -> SubscriberTable:
    return SubscriberTable(aws.client("dynamodb"), settings().subscribers_table)


@cache
def welcome() -> Welcome:
    from chalicelib.welcome import Welcome
    from common import mail, ses

    mailer = ses.Mailer(ses.client(), settings().sender, settings().configuration_set)
    template = mail.MailTemplate(_HERE / "mails", "welcome")
    standby, hands_over = settings().standby, bool(settings().standby_region)
    return Welcome(_subscriber_table(), mailer, template, settings().site_url, standby, hands_over)


@cache
def subscriber_stream() -> SubscriberStream:
    from chalicelib.subscriber_stream import SubscriberStream

    return SubscriberStream(welcome())


@cache
def publisher() -> Publisher:
    from chalicelib.publisher import Publisher
    from chalicelib.site import Site, read_assets
    from chalicelib.site_bucket import SiteBucket

    # Not through DAX, whose query cache may be stale.
    posts = Posts(PostTable(aws.client("dynamodb"), settings().table), _renderer())
    site = Site(settings().site_url, "MyBlog", read_assets(_HERE.parent / "web"))
    return Publisher(posts, site, SiteBucket(aws.s3(), settings().site_bucket))
