"""Gap: a method with AWS_IAM accepts a request that was signed for another service or another Region.

A signature names the service and the Region that it is for. API Gateway accepts it only for `execute-api`, in the
Region of the API.
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
No longer needed when a request with a signature for `s3` gets InvalidSignatureException.
"""

from typing import Any

from ministack import app
from ministack.core.iam_evaluator import AuthError
from ministack.core.sigv4 import HeaderSignature, parse_header_signature, parse_query_signature
from ministack.services import apigateway_v1 as gateway

_SERVICE = "Credential should be scoped to correct service: 'execute-api'. "
_REGION = "Credential should be scoped to a valid region. "


def scope_error(headers: Any, query: Any, region: str) -> AuthError | None:
    """Return why the scope of a signature is wrong for an API in *region*."""
    if headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
        signature = parse_header_signature(headers)
    elif query and query.get("X-Amz-Signature"):
        signature = parse_query_signature(query)
    else:
        return None
    if not isinstance(signature, HeaderSignature):
        return None  # the emulator says what is missing
    if signature.service != "execute-api":
        return AuthError("SignatureDoesNotMatch", _SERVICE)
    if signature.region_set is None and signature.region != region:
        return AuthError("SignatureDoesNotMatch", _REGION)
    return None


def apply() -> None:
    enforce = app._enforce_execute_api

    def enforce_scope(api_id: str, stage: str, method: str, path: str, headers: Any, query: Any, **action: str) -> Any:
        scope = gateway.find_api_scope(api_id)
        error = scope_error(headers, query, scope[1]) if scope else None
        if error and app._execute_api_authorization_type(api_id, stage, method, path) == "AWS_IAM":
            return gateway.authentication_error_response(api_id, stage, error, headers, query)
        return enforce(api_id, stage, method, path, headers, query, **action)

    app._enforce_execute_api = enforce_scope
