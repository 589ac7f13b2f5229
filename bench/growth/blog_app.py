"""Posts and the files of the site, and subscribers."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from bench import tables
from bench.growth.subject import Aws, Operation, Subject
from common import dynamodb, times
from sandbox.settings import ROOT

_TEXT = "\n\n".join(f"## Part {n}\n\n" + "Waves *break* on the [shore](https://example.com/). " * 10 for n in range(4))
_LISTED = (
    "The posts are listed without their bodies, by a request for each megabyte, and the files of the site by a request "
    "for each thousand. The rest is constant: a new post changes its page and that of the post before it, the first "
    "page of all posts and of each of its tags, the feed, and the sitemap, which names all posts."
)
_COMPARED = "Every quarter of an hour all files are rendered and compared, by a request for 50 posts."
_SWEPT = (
    "An index lists the keys of the day's subscribers and of the mails that were sent, by a request for each megabyte. "
    "Only those without a mail are read."
)
_SITE = "https://blog.example"
_BEGAN = datetime(2020, 1, 1, tzinfo=UTC)


def subjects(aws: Aws) -> list[Subject]:
    return [*_posts(aws), *_subscribers(aws)]


def _posts(aws: Aws) -> list[Subject]:
    from chalicelib import post_table
    from chalicelib.photo_bucket import PhotoBucket
    from chalicelib.photos import Photos
    from chalicelib.post_table import PostTable
    from chalicelib.posts import NewPost, Post, PostQuery, Posts, Rendered
    from chalicelib.publisher import Publisher
    from chalicelib.rendering import Renderer
    from chalicelib.site import Site, read_assets
    from chalicelib.site_bucket import SiteBucket

    client, s3 = aws.client("dynamodb"), aws.client("s3")
    table = tables.create(client, "blog-app", "Posts")
    for bucket in ("bench-photos", "bench-site"):
        s3.create_bucket(Bucket=bucket)
    renderer = Renderer(Photos(PhotoBucket(s3, "bench-photos")))
    posts = Posts(PostTable(client, table), renderer)
    site = Site(_SITE, "MyBlog", read_assets(Path(ROOT / "blog-app/web")))
    publisher = Publisher(posts, site, SiteBucket(s3, "bench-site"))
    rendered = Rendered(key=renderer.key(_TEXT), html=renderer.render(_TEXT))

    def post(n: int) -> Post:
        moment = times.iso(_BEGAN + timedelta(hours=n))
        shown = {"title": f"Post {n}", "summary": "", "tags": [f"topic-{n % 20}"], "author": "Ann", "version": 1}
        return Post(slug=f"post-{n}", body_markdown=_TEXT, published_at=moment, updated_at=moment, **shown)

    def grow(before: int, size: int) -> None:
        stored = (post_table._items(post(n), rendered) for n in range(before, size))
        tables.fill(client, table, itertools.chain.from_iterable(stored))
        publisher.publish()

    def write() -> None:
        posts.add(NewPost(slug="new", title="New", body_markdown=_TEXT, tags=["topic-1"]))
        publisher.publish_changes({"new": None})

    def remove() -> None:
        written = posts.get("new")
        posts.remove("new", None)
        publisher.publish_changes({"new": written})

    added = Operation("a new post is written and published", write, undo=remove, note=_LISTED)
    regular = Operation("the regular run of the publisher", publisher.publish, note=_COMPARED)
    page = Operation("a page of 5 posts", lambda: posts.list(PostQuery(limit=5)))
    return [Subject("posts", grow, (added, regular, page))]


class _NoMail:
    def send(self, *arguments: Any) -> str:
        return "id"


def _subscribers(aws: Aws) -> list[Subject]:
    """Return the sweep beside subscribers of the last day who have their mail. The mails of five others are due."""
    from chalicelib.subscriber_table import SubscriberTable
    from chalicelib.subscribers import Subscriber, WelcomeMail, milliseconds, new_token, subscriber_id
    from chalicelib.welcome import Welcome
    from common.mail import MailTemplate

    client = aws.client("dynamodb")
    table = tables.create(client, "blog-app", "Subscribers")
    store = SubscriberTable(client, table)
    template = MailTemplate(Path(ROOT / "blog-app/chalicelib/mails"), "welcome")
    welcome = Welcome(store, _NoMail(), template, _SITE)
    at = milliseconds() - 3_600_000

    def subscriber(n: int) -> Subscriber:
        email = f"reader-{n}@example.com"
        return Subscriber(id=subscriber_id(email), email=email, status="subscribed", subscribed_at=at)

    def settled(each: Subscriber) -> list[dict[str, Any]]:
        mail = WelcomeMail(
            id=each.id, subscribed_at=at, token=new_token(each.id), attempts=1, until=at, sent_at=at, message_id="id"
        )
        day = str(datetime.fromtimestamp(at / 1000, UTC).date())
        return [
            {**msgspec.structs.asdict(each), "kind": "subscriber", "day": day},
            {**msgspec.structs.asdict(mail), "kind": "welcome", "day": day},
        ]

    def grow(before: int, size: int) -> None:
        new = (settled(subscriber(n)) for n in range(before, size))
        tables.fill(client, table, itertools.chain.from_iterable(new))
        if not before:
            reset()

    def reset() -> None:
        for n in range(-5, 0):
            each = subscriber(n)
            client.delete_item(TableName=table, Key=dynamodb.item({"id": each.id, "kind": "welcome"}))
            store.remove(each.id)
            store.add(each)

    sweep = Operation("the sweep sends 5 mails", welcome.sweep, undo=reset, note=_SWEPT)
    return [Subject("subscribers of the day", grow, (sweep,))]
