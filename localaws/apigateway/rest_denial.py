"""Gap: whom IAM does not let through to an API is answered by the emulator's IAM, not by a gateway response of the API.

AWS: the response type ACCESS_DENIED, else DEFAULT_4XX,
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
No longer needed when a user without permission gets the body that the DEFAULT_4XX of a REST API says.
"""

import json
from typing import Any

from ministack import app
from ministack.core.iam_evaluator import AuthError
from ministack.services import apigateway_v1 as gateway


def apply() -> None:
    enforce = app._enforce_execute_api
    gateway._AUTHENTICATION_GATEWAY_ERRORS["AccessDenied"] = ("ACCESS_DENIED", "AccessDeniedException")

    def enforce_and_answer(
        api_id: str, stage: str, method: str, path: str, headers: Any, query: Any, **action: str
    ) -> Any:
        refusal = enforce(api_id, stage, method, path, headers, query, **action)
        if not refusal or b"AccessDeniedException" not in refusal[2]:
            return refusal
        message = json.loads(refusal[2]).get("message", "")
        answer = gateway.authentication_error_response(
            api_id, stage, AuthError("AccessDenied", message), headers, query
        )
        return answer or refusal

    app._enforce_execute_api = enforce_and_answer
