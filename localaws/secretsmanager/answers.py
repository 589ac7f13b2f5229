"""Gap: descriptions of a secret have empty members, and lists of versions leave members and rules of AWS out.

A secret without a value has no version. The versions of a list are in the order of their creation; a version without
a label is listed only on request. The errors about a secret have the member Message.
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecretVersionIds.html
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DeleteSecret.html
No longer needed when DescribeSecret of a secret without a description has no member Description.
"""

import json
import time
import uuid
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import secretsmanager

from localaws.secretsmanager.requests import INVALID_NAME, NAME

type Json = dict[str, Any]

KEY = "DefaultEncryptionKey"
VALUES = ("SecretString", "SecretBinary")
TOKEN_MISSING = "You must provide a ClientRequestToken value. We recommend a UUID-type value."
OPTIONAL = ("Description", "LastAccessedDate", "Tags", "VersionIdsToStages", "SecretVersionsToStages")
DAY = 86_400


def without_empty_members(described: Json, secret: Json) -> Json:
    kept = {name: value for name, value in described.items() if value or name not in OPTIONAL}
    if not kept.get("RotationEnabled") and not secret.get("RotationLambdaARN"):
        kept.pop("RotationEnabled", None)
    if secret.get("was_tagged") and not secret.get("Tags"):
        kept["Tags"] = []
    return kept


def describing(describe: Any) -> Any:
    def describe_secret(data: Json) -> Any:
        answer = describe(data)
        if answer[0] >= 400:
            return answer
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        return json_response(without_empty_members(json.loads(answer[2]), secret))

    return describe_secret


def tagging(change: Any) -> Any:
    def change_tags(data: Json) -> Any:
        answer = change(data)
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        if answer[0] < 400 and secret:
            secret["was_tagged"] = True
        return answer

    return change_tags


def listing(list_secrets: Any) -> Any:
    def list_all(data: Json) -> Any:
        answer = list_secrets(data)
        if answer[0] >= 400:
            return answer
        found = json.loads(answer[2])
        secrets = secretsmanager._secrets
        found["SecretList"] = [without_empty_members(each, secrets[each["Name"]]) for each in found["SecretList"]]
        return json_response(found)

    return list_all


def listing_versions(list_versions: Any) -> Any:
    def list_secret_version_ids(data: Json) -> Any:
        answer = list_versions(data)
        if answer[0] >= 400:
            return answer
        _, secret = secretsmanager._resolve(data.get("SecretId"))
        found, order = json.loads(answer[2]), list(secret["Versions"])
        versions = []
        for version in sorted(found["Versions"], key=lambda each: order.index(each["VersionId"])):
            if not version["VersionStages"]:
                if not data.get("IncludeDeprecated"):
                    continue
                del version["VersionStages"]
            accessed = secret["Versions"][version["VersionId"]].get("accessed")
            versions.append(version | {"KmsKeyIds": [KEY]} | ({"LastAccessedDate": accessed} if accessed else {}))
        return json_response(found | {"Versions": versions})

    return list_secret_version_ids


def reading(get: Any) -> Any:
    """Wrap GetSecretValue: a version keeps the day of the last access."""

    def get_secret_value(data: Json) -> Any:
        answer = get(data)
        if answer[0] < 400:
            _, secret = secretsmanager._resolve(data.get("SecretId"))
            version = secret["Versions"][json.loads(answer[2])["VersionId"]]
            version["accessed"] = int(time.time()) // DAY * DAY
        return answer

    return get_secret_value


def creating(create: Any) -> Any:
    """Wrap CreateSecret: the token is the id of the version, and a secret without a value has no version."""

    def create_secret(data: Json) -> Any:
        answer = create(data)
        if answer[0] >= 400:
            return answer
        created = json.loads(answer[2])
        versions = secretsmanager._secrets[created["Name"]]["Versions"]
        first = versions.pop(created.pop("VersionId"))
        if any(data.get(name) is not None for name in VALUES):
            created["VersionId"] = data["ClientRequestToken"]
            versions[created["VersionId"]] = first
        return json_response(created)

    return create_secret


def deleting(delete: Any) -> Any:
    """Wrap DeleteSecret: to delete by force what does not exist succeeds."""

    def delete_secret(data: Json) -> Any:
        name = data.get("SecretId") or ""
        _, secret = secretsmanager._resolve(name)
        if secret or not data.get("ForceDeleteWithoutRecovery"):
            return delete(data)
        arn = f"arn:aws:secretsmanager:{get_region()}:{get_account_id()}:secret:{name}-{uuid.uuid4().hex[:6]}"
        return json_response({"ARN": arn, "Name": name, "DeletionDate": time.time()})

    return delete_secret


def with_token(run: Any, code: str) -> Any:
    """Wrap an operation that creates a version: SDKs always send a token."""

    def operation(data: Json) -> Any:
        if not data.get("ClientRequestToken"):
            return error_response_json(code, TOKEN_MISSING, 400)
        return run(data)

    return operation


def promoting(promote: Any) -> Any:
    """Wrap the move of AWSCURRENT to a new version: a version that loses its last label stays."""

    def promote_version(secret: Json, version_id: str) -> None:
        before = dict(secret["Versions"])
        promote(secret, version_id)
        secret["Versions"] = before

    return promote_version


def name_error(body: bytes) -> Any:
    """Return the rejection of the name of a secret that cannot exist."""
    try:
        name = json.loads(body or b"{}").get("SecretId") or ""
    except ValueError:
        return None
    if not name or name.startswith("arn:") or NAME.fullmatch(name):
        return None
    return error_response_json("ValidationException", INVALID_NAME, 400)


def with_message(status: int, headers: Any, body: Any) -> Any:
    error = json.loads(body) if status >= 400 and body else {}
    if "message" in error:
        message = error["message"].replace("secret version: ", "secret value for VersionId: ")
        if "secret value for " in message:
            message = message.removesuffix(".")
        error["message"] = message
        body = json.dumps({"Message" if name == "message" else name: value for name, value in error.items()}).encode()
    return status, headers, body


def apply() -> None:
    handle = secretsmanager.handle_request

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        answer = name_error(body) or await handle(method, path, headers, body, query)
        return with_message(*answer)

    secretsmanager.handle_request = handle_request
    secretsmanager._apply_current_promotion = promoting(secretsmanager._apply_current_promotion)
    secretsmanager._describe_secret = describing(secretsmanager._describe_secret)
    secretsmanager._tag_resource = tagging(secretsmanager._tag_resource)
    secretsmanager._list_secrets = listing(secretsmanager._list_secrets)
    secretsmanager._list_secret_version_ids = listing_versions(secretsmanager._list_secret_version_ids)
    secretsmanager._get_secret_value = reading(secretsmanager._get_secret_value)
    secretsmanager._create_secret = creating(secretsmanager._create_secret)
    secretsmanager._delete_secret = deleting(secretsmanager._delete_secret)
    for name in ("_create_secret", "_put_secret_value", "_update_secret"):
        setattr(secretsmanager, name, with_token(getattr(secretsmanager, name), "InvalidRequestException"))
    rotate = with_token(secretsmanager._rotate_secret, "InvalidParameterException")
    secretsmanager._rotate_secret = rotate
