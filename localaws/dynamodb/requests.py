"""Gap: DynamoDB accepts reads that select twice and values without a colon, and words some rejections differently.

AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
AWS: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/CommonErrors.html
No longer needed when a Scan with the Select "count" is rejected with ValidationException.
"""

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import dynamodb

from localaws.dynamodb.expressions import ENVELOPE

type Json = dict[str, Any]

SELECTIONS = {
    "SPECIFIC_ATTRIBUTES": "",
    "COUNT": "only the Count",
    "ALL_ATTRIBUTES": "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES": "ALL_PROJECTED_ATTRIBUTES",
}
"""The values of Select, and what rejections call them."""
IN_ENVELOPE = (
    "ALL_PROJECTED_ATTRIBUTES can be used only",
    "Cannot specify the ",
    "One or more parameter values were invalid: An ",
)
"""The beginnings of the messages that Query, PutItem and UpdateItem, but not Scan, write in an envelope."""
REWORDED = {
    "Aggregated size of all hash keys has exceeded the size limit of 2048 bytes": (
        "Size of hashkey has exceeded the maximum size limit of2048 bytes"
    ),
    "Aggregated size of all range keys has exceeded the size limit of 1024 bytes": (
        "Size of rangekey has exceeded the maximum size limit of1024 bytes"
    ),
}


def invalid(message: str) -> Any:
    return error_response_json("ValidationException", message, 400)


def values_error(request: Json) -> Any:
    for name in request.get("ExpressionAttributeValues") or {}:
        if not name.startswith(":"):
            return invalid(f'ExpressionAttributeValues contains invalid key: Syntax error; key: "{name}"')
    return None


def select_error(request: Json) -> Any:
    """Return the rejection of an unknown Select, or of one that contradicts AttributesToGet."""
    select = request.get("Select")
    if select is not None and select not in SELECTIONS:
        allowed = f"Member must satisfy enum value set: [{', '.join(SELECTIONS)}]"
        return invalid(f"{ENVELOPE}Value '{select}' at 'select' failed to satisfy constraint: {allowed}")
    if select and SELECTIONS[select] and request.get("AttributesToGet"):
        return invalid(f"Cannot specify the AttributesToGet when choosing to get {SELECTIONS[select]}")
    return None


def empty_update_error(request: Json) -> Any:
    if request.get("UpdateExpression") == "":
        return invalid(f"{ENVELOPE}Invalid UpdateExpression: The expression can not be empty;")
    return None


def rewording(change: Callable[[str], str]) -> Callable[[Any], Any]:
    """Return the function that changes the message of a rejection."""

    def reworded(answer: Any) -> Any:
        status, headers, body = answer
        if status != 400:
            return answer
        error = json.loads(body)
        if "message" not in error or (message := change(error["message"])) == error["message"]:
            return answer
        return status, headers, json.dumps(error | {"message": message}).encode()

    return reworded


def enveloped(message: str) -> str:
    return f"{ENVELOPE}{message}" if message.startswith(IN_ENVELOPE) else message


def of_update(message: str) -> str:
    for ours, of_aws in REWORDED.items():
        message = message.replace(ours, of_aws)
    return enveloped(message)


def of_get(message: str) -> str:
    return message.partition(": KeyConditionExpression, ConditionExpression")[0]


def apply() -> None:
    def checked(name: str, change: Callable[[str], str], *errors: Callable[[Json], Any]) -> None:
        run, reword = getattr(dynamodb, name), rewording(change)

        def operation(request: Json) -> Any:
            found = next((error for check in errors if (error := check(request))), None)
            return reword(found or run(request))

        setattr(dynamodb, name, operation)

    checked("_query", enveloped, values_error, select_error)
    checked("_scan", str, values_error, select_error)
    checked("_put_item", enveloped)
    checked("_update_item", of_update, empty_update_error)
    checked("_get_item", of_get)
