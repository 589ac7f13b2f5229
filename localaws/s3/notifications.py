"""Gap: S3 does not explain why it rejects a notification, and its events describe deleted objects.

S3 names the destinations or the rule that it rejects. The event of a deletion has no size and no ETag.
AWS: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
AWS: https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
No longer needed when the event of a deleted object has no size.
"""

import hashlib
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from ministack.services import eventbridge, s3

from localaws.lambda_.resource_policy import allows

type Json = dict[str, Any]

DESTINATIONS = {"sqs": "Queue", "sns": "Topic", "lambda": "CloudFunction"}
NOUNS = {"sqs": "queue", "sns": "topic"}
IN_VERSION_2_3 = ("Lifecycle", "IntelligentTiering", "ObjectAcl:", "ObjectTagging:", "ObjectRestore:Delete")
MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"


def named(root: Element, name: str) -> list[Element]:
    return [each for each in root.iter() if each.tag.rpartition("}")[2] == name]


def argument_error(name: str, value: str, message: str) -> Any:
    return s3._error("InvalidArgument", message, 400, extra={"ArgumentName": name, "ArgumentValue": value})


def rule_error(body: bytes) -> Any:
    """Return the rejection of a filter rule without a name or value, or with an unknown name."""
    try:
        root = s3.fromstring(body)
    except ParseError:
        return None
    for rule in named(root, "FilterRule"):
        names = [each.text or "" for each in named(rule, "Name")]
        if not names or not named(rule, "Value"):
            return s3._error("MalformedXML", MALFORMED, 400)
        if names[0].lower() not in ("prefix", "suffix"):
            return argument_error("FilterRule.Name", names[0], "filter rule name must be either prefix or suffix")
    return None


def failure(config: Json, region: str, bucket: str, owner: str) -> tuple[str, str] | None:
    """Return the destination and the reason if S3 cannot send a test notification to it."""
    kind, arn = config["type"], config["arn"]
    if kind == "lambda":
        reason = f"Not authorized to invoke function [{arn}]"
        return None if allows(arn, "s3.amazonaws.com", f"arn:aws:s3:::{bucket}") else (f"{arn}, null", reason)
    if not s3._notification_destination_exists(kind, arn, region):
        return arn, f"The destination {NOUNS[kind]} does not exist"
    if not s3._notification_destination_allows(kind, arn, bucket, owner):
        reason = "do not allow S3 to publish notifications from this bucket"
        return arn, f"Permissions on the destination {NOUNS[kind]} {reason}"
    return None


def explaining(validate: Any) -> Any:
    """Wrap the validation of a configuration."""

    def validated(configs: list[Json], region: str, bucket: str = "", skip: bool = False) -> Any:
        for config in configs:
            _, error = s3._parse_notification_target_arn(config["type"], config["arn"], region)
            if error == "destination ARN is not in the correct format":
                name = DESTINATIONS[config["type"]]
                return argument_error(name, config["arn"], "The ARN could not be parsed")
        rejected = validate(configs, region, bucket, True)
        if rejected or skip:
            return rejected
        owner = s3._bucket_owner_account(bucket) or s3.get_account_id()
        failures = [found for config in configs if (found := failure(config, region, bucket, owner))]
        members: dict[str, str] = {}
        for number, (name, reason) in enumerate(failures, 1):
            members |= {f"ArgumentName{number}": name, f"ArgumentValue{number}": reason}
        message = "Unable to validate the following destination configurations"
        return s3._error("InvalidArgument", message, 400, extra=members) if failures else None

    return validated


def version(event: str) -> str:
    """Return the version of the structure of an event: S3 uses later ones only for the events that need them."""
    if event.startswith("Replication:"):
        return "2.2"
    return "2.3" if event.startswith(IN_VERSION_2_3) else "2.1"


def with_identities(deliver: Any) -> Any:
    """Wrap the delivery of an event: give it the ids of the user and of the owner of the bucket."""

    def delivered(arn: str, payload: Json, *arguments: Any, **more: Any) -> Any:
        for record in payload.get("Records", []):
            record["eventVersion"] = version(record["eventName"])
            digest = hashlib.sha256(s3.get_account_id().encode()).hexdigest().upper()
            record["userIdentity"] = {"principalId": f"AWS:AIDA{digest[:17]}"}
            record["s3"]["bucket"] = record["s3"]["bucket"] | {"ownerIdentity": {"principalId": f"A{digest[17:30]}"}}
            left_out = {"hasObjectAnnotation"}
            if record["eventName"].startswith("ObjectRemoved:"):
                left_out |= {"size", "eTag"}
            changed = record["s3"]["object"]
            record["s3"]["object"] = {name: value for name, value in changed.items() if name not in left_out}
        return deliver(arn, payload, *arguments, **more)

    return delivered


def notifying_of_each(delete: Any) -> Any:
    """Wrap DeleteObjects: it notifies of a key that does not exist as well."""

    def delete_objects(bucket: str, body: bytes, headers: Any = None) -> Any:
        found = s3._buckets.get(bucket)
        missing: list[str] = []
        if found and bucket not in s3._bucket_versioning:
            keys = [each.text or "" for each in named(s3.fromstring(body), "Key")]
            missing = [key for key in keys if key not in found["objects"]]
        answer = delete(bucket, body, headers)
        for key in missing if answer[0] == 200 else ():
            s3._fire_s3_event_async(bucket, key, "s3:ObjectRemoved:Delete")
        return answer

    return delete_objects


def of_deleted(dispatch: Any) -> Any:
    """Wrap the sending of an event to EventBridge."""

    def dispatched(event: Json, *arguments: Any, **more: Any) -> Any:
        if event["Source"] == "aws.s3" and event["DetailType"] == "Object Deleted":
            detail = s3.json.loads(event["Detail"])
            for name in ("size", "etag"):
                detail["object"].pop(name, None)
            event = event | {"Detail": s3.json.dumps(detail)}
        return dispatch(event, *arguments, **more)

    return dispatched


def apply() -> None:
    put, to_xml = s3._put_bucket_notification, s3._notification_configs_to_xml

    def put_notification(name: str, body: bytes, headers: Any = None) -> Any:
        return rule_error(body) or put(name, body, headers)

    def with_rule_names(configs: Any, has_eventbridge: bool) -> str:
        written: str = to_xml(configs, has_eventbridge)
        for rule in ("Prefix", "Suffix"):
            written = written.replace(f"<Name>{rule.lower()}</Name>", f"<Name>{rule}</Name>")
        return written

    s3._put_bucket_notification, s3._notification_configs_to_xml = put_notification, with_rule_names
    s3._delete_objects = notifying_of_each(s3._delete_objects)
    s3._validate_notification_configs = explaining(s3._validate_notification_configs)
    for name in ("_deliver_event_to_sqs", "_deliver_event_to_sns", "_deliver_event_to_lambda"):
        setattr(s3, name, with_identities(getattr(s3, name)))
    eventbridge._dispatch_event = of_deleted(eventbridge._dispatch_event)
