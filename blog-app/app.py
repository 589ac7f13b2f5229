"""MyBlog.com: all routes and event handlers."""

from typing import Any

from chalice import Chalice, IAMAuthorizer, Rate
from chalice.app import CloudWatchEvent, DynamoDBEvent, SNSEvent

from chalicelib import photo_events, post_stream, wiring
from chalicelib.photos import NewPhoto, Photo, Upload
from chalicelib.posts import NewPost, Post, PostQuery, PostText, Summary
from chalicelib.subscribers import NewSubscriber
from common import events, rest, ses
from common.pages import Page

app = Chalice(app_name="blog-app", configure_logs=False)
rest.configure(app)
authors = IAMAuthorizer()
settings = wiring.settings()


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.route("/posts", methods=["GET"])
def list_posts() -> rest.Answer[Page[Summary]]:
    return rest.answer(app, wiring.posts().list(rest.query(app, PostQuery)), shared=True)


@app.route("/posts/{slug}", methods=["GET"])
def get_post(slug: str) -> rest.Answer[Post]:
    post = wiring.posts().get(slug)
    return rest.answer(app, post, post.etag, shared=True)


@app.route("/posts", methods=["POST"], authorizer=authors)
def create_post() -> rest.Created[Post]:
    """Publish a post. Raises Conflict."""
    post = wiring.posts().add(rest.body(app, NewPost))
    return rest.created(post, location=f"posts/{post.slug}", etag=post.etag)


@app.route("/posts/{slug}", methods=["PUT"], authorizer=authors)
def replace_post(slug: str) -> rest.Changed[Post]:
    """Replace the text of a post. Raises Conflict."""
    post = wiring.posts().replace(slug, rest.body(app, PostText), rest.if_match(app))
    return rest.changed(post, post.etag)


@app.route("/posts/{slug}", methods=["DELETE"], authorizer=authors)
def remove_post(slug: str) -> rest.NoContent:
    """Remove a post. Raises Conflict."""
    wiring.posts().remove(slug, rest.if_match(app))
    return rest.no_content()


@app.route("/photos", methods=["POST"], authorizer=authors)
def create_photo() -> rest.Created[Upload]:
    photo = wiring.photos().add(rest.body(app, NewPhoto))
    return rest.created(photo, location=f"photos/{photo.id}")


@app.route("/photos/{photo_id}", methods=["GET"])
def get_photo(photo_id: str) -> rest.Answer[Photo]:
    return rest.answer(app, wiring.photos().get(photo_id))


# Without CORS: only the blog's own page, which has the same origin, may subscribe its readers in their browsers.
@app.route("/subscribers", methods=["POST"], cors=False)
def create_subscriber() -> rest.Accepted:
    wiring.subscribers().subscribe(rest.body(app, NewSubscriber))
    return rest.accepted()


@app.route("/subscribers/{token}", methods=["DELETE"])
def remove_subscriber(token: str) -> rest.NoContent:
    wiring.subscribers().unsubscribe(token)
    return rest.no_content()


# The address in List-Unsubscribe. People and older mail programs open it, and so do scanners: the page asks first.
@app.route("/unsubscribe/{token}", methods=["GET"])
def show_unsubscribe(token: str) -> rest.SeeOther:
    return rest.see_other(wiring.subscribers().page(token))


# One-click unsubscribe: mail clients post a form (RFC 8058).
@app.route("/unsubscribe/{token}", methods=["POST"], content_types=[*rest.FORMS, "application/json"])
def unsubscribe(token: str) -> rest.NoContent:
    wiring.subscribers().unsubscribe(token)
    return rest.no_content()


@events.on_s3_event(app, settings.photos_bucket, prefix="uploads/")
def make_thumbnails(event: dict[str, Any], context: Any) -> None:
    wiring.photos().make_variants(photo_events.uploaded(event))


@events.on_s3_event(app, settings.photos_bucket, prefix="thumbnails/", suffix="/photo.json")
def publish_photo(event: dict[str, Any], context: Any) -> None:
    wiring.publisher().publish_photo(wiring.photos().photo_of(photo_events.uploaded(event)))


@app.on_dynamodb_record(settings.posts_stream_arn, batch_size=100, starting_position="TRIM_HORIZON")
def publish_posts(event: DynamoDBEvent) -> None:
    wiring.publisher().publish_changes(*post_stream.posts_before(event.to_dict()["Records"]))


# Republishes periodically: repairs eventually consistent reads and picks up template changes.
@app.schedule(Rate(15, unit=Rate.MINUTES))
def publish_regularly(event: CloudWatchEvent) -> None:
    wiring.publisher().publish()


@app.on_dynamodb_record(settings.subscribers_stream_arn, batch_size=100, starting_position="TRIM_HORIZON")
def welcome_subscribers(event: DynamoDBEvent) -> Any:
    return events.each_record(app, event.to_dict(), wiring.subscriber_stream().handle)


@app.schedule(Rate(5, unit=Rate.MINUTES))
def sweep_welcome_mails(event: CloudWatchEvent) -> None:
    wiring.welcome().sweep()


@app.on_sns_message(settings.mail_events_topic)
def handle_mail_events(event: SNSEvent) -> None:
    wiring.welcome().apply_feedback(ses.feedback(event.message))
