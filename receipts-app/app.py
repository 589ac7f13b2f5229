"""Receipts: all routes and event handlers."""

from typing import Any

from chalice import Chalice, IAMAuthorizer
from chalice.app import SQSEvent

from chalicelib import wiring
from chalicelib.receipts import Receipt
from common import events, rest

app = Chalice(app_name="receipts-app", configure_logs=False)
rest.configure(app)
services = IAMAuthorizer()


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.route("/receipts/{payment_id}", methods=["GET"], authorizer=services)
def get_receipt(payment_id: str) -> rest.Answer[Receipt]:
    return rest.answer(app, wiring.receipts().get(payment_id))


@app.on_sqs_message(queue=wiring.settings().queue, batch_size=10)
def send_receipts(event: SQSEvent) -> Any:
    return events.each_message(app, event.to_dict(), wiring.receipts().handle)
