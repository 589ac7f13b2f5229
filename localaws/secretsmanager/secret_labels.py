"""Gap: PutSecretValue with a staging label leaves the label attached to the previous version as well.

"If this staging label is already attached to a different version, Secrets Manager removes it from the other version."
AWS: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
No longer needed when AWSPENDING returns the second value after two PutSecretValue calls with this label.
"""

import json
from typing import Any

from ministack.core.responses import json_response
from ministack.services import secretsmanager


def apply() -> None:
    put = secretsmanager._put_secret_value

    def put_and_move_labels(data: dict[str, Any]) -> Any:
        answer = put(data)
        if answer[0] < 400:
            _, secret = secretsmanager._resolve(data["SecretId"])
            result = json.loads(answer[2])
            for label in data.get("VersionStages", []):
                secretsmanager._remove_stage_everywhere(secret, label, except_version_id=result["VersionId"])
                secretsmanager._add_stage(secret, result["VersionId"], label)
            return json_response(result | {"VersionStages": secret["Versions"][result["VersionId"]]["Stages"]})
        return answer

    secretsmanager._put_secret_value = put_and_move_labels
