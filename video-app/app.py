"""The video shop: all routes and event handlers."""

from typing import Any

from chalice import Chalice, CognitoUserPoolAuthorizer, IAMAuthorizer
from chalice.app import DynamoDBEvent

from chalicelib import wiring
from chalicelib.checkout import Checkout, Offers, PlanOrder
from chalicelib.entitlements import Premium
from chalicelib.library import LibraryVideo
from chalicelib.links import Link, LinkQuery, Session
from chalicelib.purchases import Receipt
from chalicelib.videos import Draft, NewVideo, Uploaded, Video, VideoQuery
from common import cognito, events, rest
from common.pages import Page

app = Chalice(app_name="video-app", configure_logs=False)
rest.configure(app)
signed_in = CognitoUserPoolAuthorizer("cognito", provider_arns=[wiring.settings().user_pool_arn])
owners = IAMAuthorizer()


def user() -> str:
    return cognito.caller(app, wiring.settings().user_pool_client_id)


def email() -> str | None:
    return cognito.email(app)


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    return {"status": "ok"}


# The catalogue


@app.route("/videos", methods=["GET"])
def list_videos() -> rest.Answer[Page[Video]]:
    return rest.answer(app, wiring.catalogue().list(rest.query(app, VideoQuery)))


@app.route("/videos/{video_id}", methods=["GET"])
def get_video(video_id: str) -> rest.Answer[Video]:
    return rest.answer(app, wiring.catalogue().get(video_id))


@app.route("/videos", methods=["POST"], authorizer=owners)
def create_video() -> rest.Created[Draft]:
    draft = wiring.publishing().add(rest.body(app, NewVideo), rest.idempotency_key(app))
    return rest.created(draft, location=f"videos/{draft.id}")


@app.route("/videos/{video_id}/publish", methods=["POST"], authorizer=owners)
def publish_video(video_id: str) -> rest.Answer[Video]:
    return rest.answer(app, wiring.publishing().publish(video_id, rest.body(app, Uploaded)))


@app.route("/videos/{video_id}", methods=["DELETE"], authorizer=owners)
def withdraw_video(video_id: str) -> rest.NoContent:
    wiring.publishing().withdraw(video_id)
    return rest.no_content()


# Premium registration and purchases


@app.route("/plans", methods=["GET"])
def list_plans() -> rest.Answer[Offers]:
    return rest.answer(app, wiring.checkouts().offers())


@app.route("/premium", methods=["GET"], authorizer=signed_in)
def get_premium() -> rest.Answer[Premium]:
    return rest.answer(app, wiring.entitlements().premium(user()))


@app.route("/premium/checkout", methods=["POST"], authorizer=signed_in)
def buy_premium() -> rest.Created[Checkout]:
    order = rest.body(app, PlanOrder)
    return rest.created(wiring.checkouts().plan(user(), order.plan, rest.idempotency_key(app), email()))


@app.route("/videos/{video_id}/checkout", methods=["POST"], authorizer=signed_in)
def buy_video(video_id: str) -> rest.Created[Checkout]:
    """Start the purchase of a video. Raises AlreadyBought."""
    return rest.created(wiring.checkouts().video(user(), video_id, rest.idempotency_key(app), email()))


@app.route("/videos/{video_id}/receipt", methods=["GET"], authorizer=signed_in)
def get_receipt(video_id: str) -> rest.Answer[Receipt]:
    """Return the receipt of a purchase, from another service. Raises ServiceUnavailable."""
    return rest.answer(app, wiring.receipts().of(user(), video_id))


@app.route("/library", methods=["GET"], authorizer=signed_in)
def list_library() -> rest.Answer[Page[LibraryVideo]]:
    return rest.answer(app, wiring.library().list(user(), rest.query(app, VideoQuery)))


# The name is the operationId in the API's contract.
@app.route("/payments/webhook", methods=["POST"], name="heed_payment")
def handle_payment() -> dict[str, str]:
    """Handle an event of the payment provider. Raises InvalidInput."""
    signature = rest.request(app).headers.get("Stripe-Signature", "")
    wiring.payments().apply(wiring.stripe().event(rest.raw_body(app), signature))
    return {}


@app.on_dynamodb_record(wiring.settings().payments_stream_arn, batch_size=100, starting_position="TRIM_HORIZON")
def publish_purchases(event: DynamoDBEvent) -> Any:
    return events.each_record(app, event.to_dict(), wiring.payment_stream().handle)


# The generator of signed links. `chalice package` gives these routes their own function and role, the only one that may
# read the signing key (merge.yaml).


@app.route("/videos/{video_id}/link", methods=["GET"], authorizer=signed_in)
def create_link(video_id: str) -> rest.NoStore[Link]:
    """Return a link to the video, valid for minutes. Raises NotEntitled."""
    query = rest.query(app, LinkQuery)
    return rest.no_store(wiring.links().link(user(), video_id, query, rest.viewer_address(app)))


@app.route("/videos/{video_id}/session", methods=["POST"], authorizer=signed_in)
def create_session(video_id: str) -> rest.NoStore[Session]:
    """Open the video by cookies, valid for minutes. Raises NotEntitled."""
    opened = wiring.links().session(user(), video_id)
    return rest.no_store(opened.session, opened.cookies, opened.path)


@app.lambda_function()
def generate_links(event: dict[str, Any], context: Any) -> Any:
    return app(event, context)
