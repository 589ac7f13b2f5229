"""{{ Things }}: all routes."""

from chalice import Chalice, IAMAuthorizer

from chalicelib import wiring
from chalicelib.{{ things }} import New{{ Thing }}, {{ Thing }}, {{ Thing }}Change, {{ Thing }}Query
from common import rest
from common.pages import Page

app = Chalice(app_name="{{ app }}", configure_logs=False)
rest.configure(app)
services = IAMAuthorizer()


@app.route("/health", methods=["GET"])
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.route("/{{ things }}", methods=["POST"], authorizer=services)
def create_{{ thing }}() -> rest.Created[{{ Thing }}]:
    {{ thing }} = wiring.{{ things }}().add(rest.body(app, New{{ Thing }}), rest.idempotency_key(app))
    return rest.created({{ thing }}, location=f"{{ things }}/{ {{- thing }}.id}", etag={{ thing }}.etag)


@app.route("/{{ things }}", methods=["GET"], authorizer=services)
def list_{{ things }}() -> rest.Answer[Page[{{ Thing }}]]:
    return rest.answer(app, wiring.{{ things }}().list(rest.query(app, {{ Thing }}Query)))


@app.route("/{{ things }}/{ {{- thing }}_id}", methods=["GET"], authorizer=services)
def get_{{ thing }}({{ thing }}_id: str) -> rest.Answer[{{ Thing }}]:
    {{ thing }} = wiring.{{ things }}().get({{ thing }}_id)
    return rest.answer(app, {{ thing }}, {{ thing }}.etag)


@app.route("/{{ things }}/{ {{- thing }}_id}", methods=["PATCH"], authorizer=services)
def change_{{ thing }}({{ thing }}_id: str) -> rest.Changed[{{ Thing }}]:
    {{ thing }} = wiring.{{ things }}().change({{ thing }}_id, rest.body(app, {{ Thing }}Change), rest.if_match(app))
    return rest.changed({{ thing }}, {{ thing }}.etag)


@app.route("/{{ things }}/{ {{- thing }}_id}", methods=["DELETE"], authorizer=services)
def remove_{{ thing }}({{ thing }}_id: str) -> rest.NoContent:
    wiring.{{ things }}().remove({{ thing }}_id, rest.if_match(app))
    return rest.no_content()
