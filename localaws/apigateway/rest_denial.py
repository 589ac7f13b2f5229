"""Gap: a request that IAM denies gets the emulator's own response instead of the API's gateway response.

API Gateway answers with the API's gateway response ACCESS_DENIED, or DEFAULT_4XX if there is none.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
No longer needed when a user without permission gets the body of the API's DEFAULT_4XX gateway response.
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
        error = enforce(api_id, stage, method, path, headers, query, **action)
        if not error or b"AccessDeniedException" not in error[2]:
            return error
        message = json.loads(error[2]).get("message", "")
        answer = gateway.authentication_error_response(
            api_id, stage, AuthError("AccessDenied", message), headers, query
        )
        return answer or error

    app._enforce_execute_api = enforce_and_answer
