"""Gap: Secrets Manager accepts names, values and versions that AWS rejects.

A version keeps its value: PutSecretValue with the token of a version succeeds for the same value only.
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
No longer needed when PutSecretValue rejects another value for the ClientRequestToken of a version.
"""

import base64
import re
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import secretsmanager

type Json = dict[str, Any]

NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")
INVALID_NAME = (
    "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
)
MAX_VALUE = 65_536
TOKEN_LENGTHS = range(32, 65)


def reject(code: str, message: str) -> Any:
    return error_response_json(code, message, 400)


def value_error(data: Json) -> Any:
    """Return the rejection of two values or of one that is too large, or None."""
    text, binary = data.get("SecretString"), data.get("SecretBinary")
    if text is not None and binary is not None:
        return reject("InvalidParameterException", "You can't specify both SecretString and SecretBinary.")
    size = len((text or "").encode()) + len(base64.b64decode(binary or ""))
    if size > MAX_VALUE:
        failed = f"Member must have length less than or equal to {MAX_VALUE}"
        return reject("ValidationException", f"1 validation error detected: Value at 'secretString' failed: {failed}")
    token = data.get("ClientRequestToken")
    if token is not None and len(token) not in TOKEN_LENGTHS:
        return reject("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
    return None


def create_error(data: Json) -> Any:
    name = data.get("Name") or ""
    if name and not NAME.fullmatch(name):
        return reject("ValidationException", INVALID_NAME)
    if (secretsmanager._secrets.get(name) or {}).get("DeletedDate"):
        reason = "a secret with this name is already scheduled for deletion."
        return reject("InvalidRequestException", f"You can't create this secret because {reason}")
    return value_error(data)


def put_error(data: Json) -> Any:
    """Return the rejection of a new version, the answer for one that exists already, or None."""
    if data.get("SecretString") is None and data.get("SecretBinary") is None:
        return reject("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
    error = value_error(data)
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    version = ((secret or {}).get("Versions") or {}).get(data.get("ClientRequestToken"))
    if error or version is None or secret is None or secret.get("DeletedDate"):
        return error
    if any(version.get(name) != data.get(name) for name in ("SecretString", "SecretBinary")):
        return reject("ResourceExistsException", "A resource with the ID you requested already exists.")
    stages = list(version["Stages"])
    answer = {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": data["ClientRequestToken"]}
    return json_response(answer | {"VersionStages": stages})


def get_error(data: Json) -> Any:
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    version = ((secret or {}).get("Versions") or {}).get(data.get("VersionId"))
    stage = data.get("VersionStage")
    if version is None or not stage or stage in version["Stages"]:
        return None
    message = "You provided a VersionStage that is not associated to the provided VersionId."
    return reject("InvalidRequestException", message)


def rotate_error(data: Json) -> Any:
    _, secret = secretsmanager._resolve(data.get("SecretId"))
    if secret is None or secret.get("RotationLambdaARN") or data.get("RotationLambdaARN"):
        return None
    message = "No Lambda rotation function ARN is associated with this secret."
    return reject("InvalidRequestException", message)


def checked(run: Any, error: Any) -> Any:
    return lambda data: error(data) or run(data)


def apply() -> None:
    secretsmanager._create_secret = checked(secretsmanager._create_secret, create_error)
    secretsmanager._put_secret_value = checked(secretsmanager._put_secret_value, put_error)
    secretsmanager._get_secret_value = checked(secretsmanager._get_secret_value, get_error)
    secretsmanager._rotate_secret = checked(secretsmanager._rotate_secret, rotate_error)
