"""Gap: ImportRestApi creates an empty API, PutRestApi is missing, and a stack update of `Body` changes the API's id.

So `chalice deploy` fails, and a stack update breaks all URLs of the API.
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_PutRestApi.html
No longer needed when PutRestApi and a stack update of `Body` change the routes and keep the API id.
"""

import json
from typing import Any

from ministack.services import apigateway_v1 as gateway
from ministack.services.cloudformation import provisioners

from localaws.apigateway.rest_body import warnings
from localaws.apigateway.rest_document import parse, with_base_path


def overwrite(api_id: str, document: dict[str, Any], query: dict[str, Any] | None = None) -> None:
    """Replace the API's definition by the document, in one step and with the same id. The name stays.

    Raises ValueError, before anything changes.
    """
    api = gateway._rest_apis[api_id]
    new_id = gateway._import_rest_api(document, {"name": api["name"]})
    try:
        validate_warnings(query or {})
    except ValueError:
        gateway._delete_rest_api(new_id)
        raise
    new = gateway._rest_apis[new_id]
    for part in (gateway._resources, gateway._authorizers_v1, gateway._models, gateway._request_validators):
        part[api_id] = part.get(new_id, {})
    for model in gateway._models[api_id].values():
        model["schema"] = model["schema"].replace(f"/restapis/{new_id}/", f"/restapis/{api_id}/")
    # Keep gateway responses that the document does not define: they may be resources of the stack.
    gateway._gateway_responses[api_id] |= gateway._gateway_responses[new_id]
    api["binaryMediaTypes"] = new["binaryMediaTypes"] or api["binaryMediaTypes"]
    api["policy"] = new["policy"] or api["policy"]
    gateway._delete_rest_api(new_id)


def read(body: bytes, query: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a request, with its base path. Raises ValueError."""
    return with_base_path(parse(body), gateway._qp(query, "basepath") or "ignore")


def import_rest_api(body: bytes, query: dict[str, Any]) -> Any:
    endpoint_type = gateway._qp(query, "endpointConfigurationTypes", "EDGE")
    settings = {"endpointConfiguration": {"types": [endpoint_type]}}
    api_id = gateway._import_rest_api(read(body, query), settings)
    try:
        validate_warnings(query)
    except ValueError:
        gateway._delete_rest_api(api_id)
        raise
    _, headers, content = gateway._get_rest_api(api_id)
    return 201, headers, with_warnings(json.loads(content))


def validate_warnings(query: dict[str, Any]) -> None:
    """Raise ValueError if the import had warnings and the request does not accept them."""
    if warnings.get() and gateway._qp(query, "failonwarnings") == "true":
        raise ValueError("Warnings found during import:\n\t" + "\n\t".join(warnings.get()))


def with_warnings(api: dict[str, Any]) -> bytes:
    return json.dumps(api | ({"warnings": warnings.get()} if warnings.get() else {})).encode()


def put_rest_api(api_id: str, body: bytes, query: dict[str, Any]) -> Any:
    document = read(body, query)
    if api_id in gateway._rest_apis:
        if gateway._qp(query, "mode") != "overwrite":
            return gateway._v1_error("BadRequestException", "localaws supports only mode=overwrite", 400)
        overwrite(api_id, document, query)
        info = document.get("info") or {}
        api = gateway._rest_apis[api_id]
        api["name"] = info.get("title") or api["name"]
        api["version"], api["description"] = str(info.get("version", "")), info.get("description", "")
        status, headers, content = gateway._get_rest_api(api_id)
        return status, headers, with_warnings({"tags": {}} | json.loads(content))
    return gateway._get_rest_api(api_id)


def normalize(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the patch operation with the value to store.

    Chalice patches a member of the endpoint types, and sends "" for no minimum compression size.
    """
    match operation["path"].split("/"):
        case ["", "endpointConfiguration", "types", _]:
            return operation | {"path": "/endpointConfiguration/types", "value": [operation["value"]]}
        case ["", "minimumCompressionSize"]:
            return operation | {"value": int(operation["value"]) if operation.get("value") else None}
    return operation


def apply() -> None:
    handle_request = gateway.handle_request
    update_rest_api = gateway._update_rest_api
    provisioner = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::RestApi"]
    provisioner_update = provisioner["update"]

    async def handle(method: str, path: str, headers: Any, body: bytes, query: dict[str, Any]) -> Any:
        warnings.set([])
        try:
            match method, path.strip("/").split("/"):
                case "POST", ["restapis"] if gateway._qp(query, "mode") == "import":
                    return import_rest_api(body, query)
                case "PUT", ["restapis", api_id]:
                    return put_rest_api(api_id, body, query)
        except ValueError as error:
            return gateway._v1_error("BadRequestException", str(error), 400)
        return await handle_request(method, path, headers, body, query)

    def update_normalized(api_id: str, data: dict[str, Any]) -> Any:
        operations = [normalize(operation) for operation in data.get("patchOperations", [])]
        return update_rest_api(api_id, {"patchOperations": operations})

    def update(api_id: str, old: dict[str, Any], new: dict[str, Any], *names: Any) -> Any:
        if isinstance(new.get("Body"), dict) and new["Body"] != old.get("Body"):
            overwrite(api_id, new["Body"])
            old = old | {"Body": new["Body"]}
        return provisioner_update(api_id, old, new, *names)

    gateway.handle_request = handle
    gateway._update_rest_api = update_normalized
    provisioner["update"] = update
