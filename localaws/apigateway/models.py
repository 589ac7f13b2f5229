"""Gap: a new API has no models, and an import reads none and no request validators.

CreateRestApi makes the models Empty and Error. An import makes those of the document, whose references become URLs of
models.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings-models.html
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-request-validators.html
No longer needed when GetModels of a new API returns two models.
"""

import json
import re
from typing import Any

from ministack.services import apigateway_v1 as gateway

DRAFT = "http://json-schema.org/draft-04/schema#"
DEFAULTS: dict[str, dict[str, Any]] = {
    "Empty": {"$schema": DRAFT, "title": "Empty Schema", "type": "object"},
    "Error": {
        "$schema": DRAFT,
        "title": "Error Schema",
        "type": "object",
        "properties": {"message": {"type": "string"}},
    },
}
REFERENCE = re.compile(r"#/(?:definitions|components/schemas)/(.+)")


def with_default_models(create: Any) -> Any:
    def create_rest_api(data: dict[str, Any]) -> Any:
        response = create(data)
        if response[0] < 400:
            for name, schema in DEFAULTS.items():
                description = f"This is a default {name.lower()} schema model"
                add(json.loads(response[2])["id"], name, schema, description)
        return response

    return create_rest_api


def add(api_id: str, name: str, schema: dict[str, Any], description: str = "") -> None:
    gateway._create_model(api_id, {"name": name, "schema": json.dumps(schema), "description": description})


def name_of(schema: Any) -> str | None:
    """Return the name of the model that a schema of a document refers to."""
    found = REFERENCE.fullmatch(schema.get("$ref", "")) if isinstance(schema, dict) else None
    return found[1] if found else None


def with_urls(api_id: str, schema: Any) -> Any:
    """Return the schema with a URL for each reference to a model of the document."""
    if isinstance(schema, list):
        return [with_urls(api_id, item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if name := name_of(schema):
        return {"$ref": f"https://apigateway.amazonaws.com/restapis/{api_id}/models/{name}"}
    return {key: with_urls(api_id, value) for key, value in schema.items()}


def import_models(api_id: str, document: dict[str, Any]) -> None:
    """Replace the API's models by those of the document."""
    schemas = document.get("definitions") or (document.get("components") or {}).get("schemas") or {}
    gateway._models[api_id] = {}
    for name, schema in schemas.items():
        add(api_id, name, with_urls(api_id, schema), schema.get("description", ""))


def import_validators(api_id: str, document: dict[str, Any]) -> None:
    for name, settings in document.get("x-amazon-apigateway-request-validators", {}).items():
        gateway._create_request_validator(api_id, {"name": name} | settings)


def validator_id(api_id: str, name: str | None) -> str | None:
    """Return the id of the API's request validator with that name."""
    validators = gateway._request_validators.get(api_id, {}).values()
    return next((validator["id"] for validator in validators if validator["name"] == name), None)


def request_models(operation: dict[str, Any]) -> dict[str, str]:
    """Return the models of an operation's body by content type. Swagger 2.0 has one for `application/json`."""
    content = (operation.get("requestBody") or {}).get("content") or {}
    schemas = {kind: media.get("schema") for kind, media in content.items()}
    for parameter in operation.get("parameters", []):
        if parameter.get("in") == "body":
            schemas["application/json"] = parameter.get("schema")
    return named(schemas)


def response_models(response: dict[str, Any]) -> dict[str, str]:
    schemas = {kind: media.get("schema") for kind, media in (response.get("content") or {}).items()}
    if "schema" in response:
        schemas["application/json"] = response["schema"]
    return named(schemas)


def named(schemas: dict[str, Any]) -> dict[str, str]:
    return {kind: name for kind, schema in schemas.items() if (name := name_of(schema))}


def apply() -> None:
    gateway._create_rest_api = with_default_models(gateway._create_rest_api)
