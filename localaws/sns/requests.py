"""Gap: SNS takes names, attributes, messages and batches that AWS refuses, and names its errors differently.

Filter policies are checked for their form, not for the location of an error in the text.
AWS: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
AWS: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
AWS: https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
AWS: https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
AWS: https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
No longer needed when CreateTopic of the name `with space`, and Publish of an empty message, get `InvalidParameter`.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from ministack.core.arn import ArnParseError, parse_arn
from ministack.core.responses import get_region
from ministack.services import sns

from localaws.sns import filter_policy

TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,251}\.fifo")
PROTOCOLS = ("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs")
SUBSCRIPTION_ATTRIBUTES = (
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "SubscriptionRoleArn",
)
SCOPES = ("MessageAttributes", "MessageBody")
ATTRIBUTE_TYPES = ("Binary", "Number", "String")
ENTRY_ID = re.compile(r"[A-Za-z0-9_-]+")
GRANTED = frozenset(
    (
        "AddPermission",
        "DeleteTopic",
        "GetTopicAttributes",
        "ListSubscriptionsByTopic",
        "Publish",
        "Receive",
        "RemovePermission",
        "SetTopicAttributes",
        "Subscribe",
    )
)
"""The actions that AddPermission grants."""
MAX_BYTES = 262_144


class Refused(Exception):
    """The arguments are an error code and a message; the status is 400."""


def invalid(reason: str) -> Refused:
    return Refused("InvalidParameter", f"Invalid parameter: {reason}")


def validate_arn(name: str, arn: str) -> None:
    """Raise Refused if the ARN does not have the parts of an ARN, or names another Region."""
    parts = arn.split(":")
    if len(parts) < 6:
        raise invalid(f"{name} Reason: An ARN must have at least 6 elements, not {len(parts)}")
    if parts[3] != get_region():
        raise invalid(name)


def validate_topic(params: dict[str, Any]) -> None:
    """Raise Refused if CreateTopic has an invalid name, or other attributes than the topic with that name."""
    name, attributes = sns._p(params, "Name"), entries(params, "Attributes.entry")
    fifo = attributes.get("FifoTopic") == "true"
    if not (FIFO_NAME if fifo else TOPIC_NAME).fullmatch(name):
        raise invalid("Topic Name")
    topic = sns._topics.get(f"arn:aws:sns:{get_region()}:{sns.get_account_id()}:{name}")
    defaults = {"FifoTopic": "false"}
    if topic and any((defaults | topic["attributes"]).get(key, "") != value for key, value in attributes.items()):
        raise invalid("Attributes Reason: Topic already exists with different attributes")
    tags = sns._param_tags(params)
    if topic and not tags.items() <= topic["tags"].items():
        raise invalid("Tags Reason: Topic already exists with different tags")


def entries(params: dict[str, Any], prefix: str) -> dict[str, str]:
    """Return the map of a request, which has the parameters `<prefix>.1.key` and `<prefix>.1.value`."""
    found, number = {}, 1
    while key := sns._p(params, f"{prefix}.{number}.key"):
        found[key] = sns._p(params, f"{prefix}.{number}.value")
        number += 1
    return found


def validate_subscription(params: dict[str, Any]) -> None:
    """Raise Refused if Subscribe has an invalid topic, protocol, endpoint or attribute."""
    validate_arn("TopicArn", sns._p(params, "TopicArn"))
    protocol, endpoint = sns._p(params, "Protocol"), sns._p(params, "Endpoint")
    if protocol not in PROTOCOLS:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if protocol == "sqs":
        validate_queue(endpoint, sns._p(params, "TopicArn"))
    attributes = entries(params, "Attributes.entry")
    for name, value in attributes.items():
        if name not in SUBSCRIPTION_ATTRIBUTES:
            raise invalid("Attributes")
        try:
            validate_attribute(name, value, attributes.get("FilterPolicyScope", SCOPES[0]))
        except Refused as refused:
            raise invalid(f"Attributes Reason: {refused.args[1].removeprefix('Invalid parameter: ')}") from refused
    topic = sns._topic_by_arn_any_scope(sns._p(params, "TopicArn")) or {"subscriptions": []}
    for known in topic["subscriptions"]:
        same = known["protocol"] == protocol and known["endpoint"] == endpoint
        if same and any(comparable(known["attributes"], name) != comparable(attributes, name) for name in attributes):
            raise invalid("Attributes Reason: Subscription already exists with different attributes")


def comparable(attributes: dict[str, str], name: str) -> str:
    """Return the value of a subscription's attribute, or its default."""
    value = attributes.get(name) or {"FilterPolicyScope": SCOPES[0], "RawMessageDelivery": "false"}.get(name, "")
    return value.lower() if name == "RawMessageDelivery" else value


def validate_queue(endpoint: str, topic_arn: str) -> None:
    try:
        queue = parse_arn(endpoint)
    except ArnParseError:
        raise invalid("SQS endpoint ARN") from None
    if queue.service != "sqs":
        raise invalid("SQS endpoint ARN")
    if endpoint.endswith(".fifo") and not topic_arn.endswith(".fifo"):
        raise invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )


def validate_attribute(name: str, value: str, scope: str) -> None:
    """Raise Refused if the value of a subscription's attribute is invalid."""
    match name:
        case "RawMessageDelivery" if value.lower() not in ("true", "false"):
            raise invalid(f"RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
        case "FilterPolicyScope" if value not in SCOPES:
            raise invalid(
                f"FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
            )
        case "RedrivePolicy" if value:
            target = parse_json(name, value).get("deadLetterTargetArn", "")
            if not re.fullmatch(r"arn:[^:]+:sqs:[^:]+:\d{12}:[^:]+", target):
                raise invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
        case "FilterPolicy" if value:
            try:
                filter_policy.validate(parse_json(name, value), nested=scope == "MessageBody")
            except ValueError as error:
                raise invalid(str(error)) from error


def parse_json(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise invalid(f"{name}: failed to parse JSON. {error}") from error


def validate_message(message: str, subject: str | None, structure: str, attributes: dict[str, Any]) -> None:
    """Raise Refused if a message is empty or too large, or its subject or an attribute is invalid."""
    if not message:
        raise invalid("Empty message")
    if sns._message_payload_size(message, attributes) > MAX_BYTES:
        raise invalid("Message too long")
    if subject is not None and not (0 < len(subject) <= 100 and subject.isprintable()):
        raise invalid("Subject")
    if structure == "json":
        validate_structure(message)
    for name, attribute in attributes.items():
        validate_message_attribute(name, attribute)


def validate_structure(message: str) -> None:
    try:
        messages = json.loads(message)
    except ValueError as error:
        raise invalid("Message Structure - JSON message body failed to parse") from error
    if not isinstance(messages, dict) or not isinstance(messages.get("default"), str):
        raise invalid("Message Structure - No default entry in JSON message body")


def validate_message_attribute(name: str, attribute: dict[str, Any]) -> None:
    validate_attribute_name(name)
    kind = attribute.get("DataType", "")
    prefix, _, custom = kind.partition(".")
    if prefix not in ATTRIBUTE_TYPES or (kind != prefix and not custom):
        raise Refused(
            "ParameterValueInvalid",
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type "
            "prefixes is Binary, Number, and String.",
        )
    own, other = ("BinaryValue", "StringValue") if prefix == "Binary" else ("StringValue", "BinaryValue")
    if attribute.get(own):
        return
    if attribute.get(other):
        field = own.removesuffix("Value")
        raise Refused(
            "ParameterValueInvalid", f"The message attribute '{name}' with type '{kind}' must use field '{field}'."
        )
    raise Refused(
        "ParameterValueInvalid",
        f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type "
        f"'{kind}'.",
    )


def validate_attribute_name(name: str) -> None:
    reason = ""
    if len(name.encode()) > 256:
        reason = "Length of message attribute name must be less than 256 bytes."
    elif found := re.search(r"[^A-Za-z0-9_.-]", name):
        reason = (
            f"Invalid non-alphanumeric character '#x{ord(found[0]):X}' was found in the message attribute name. "
            "Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    elif name.startswith(".") or name.endswith("."):
        place = "starting" if name.startswith(".") else "ending"
        reason = f"Invalid message attribute name {place} with character '.' was found."
    elif ".." in name:
        reason = "Message attribute name can not have successive '.' character."
    if reason:
        raise Refused("ParameterValueInvalid", reason)


def validate_publish(params: dict[str, Any]) -> None:
    """Raise Refused if Publish has an invalid topic or message."""
    target = sns._p(params, "TopicArn") or sns._p(params, "TargetArn")
    if not sns._p(params, "PhoneNumber"):
        validate_arn("TopicArn" if not sns._p(params, "TargetArn") else "TargetArn", target)
    validate_message(
        sns._p(params, "Message"),
        sns._p(params, "Subject", None),
        sns._p(params, "MessageStructure"),
        sns._parse_message_attributes(params),
    )


def validate_batch(params: dict[str, Any]) -> None:
    """Raise Refused if PublishBatch as a whole is invalid."""
    validate_arn("TopicArn", sns._p(params, "TopicArn"))
    entries = sns._parse_batch_entries(params)
    if len(entries) > 10:
        message = "The batch request contains more entries than permissible."
        raise Refused("TooManyEntriesInBatchRequest", message)
    validate_entry_ids([entry["id"] for entry in entries])
    sizes = [sns._message_payload_size(entry["message"], entry["message_attributes"]) for entry in entries]
    if sum(sizes) > MAX_BYTES:
        raise Refused("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
    for entry in entries:
        for name, attribute in entry["message_attributes"].items():
            validate_message_attribute(name, attribute)
        if entry["message_structure"] == "json":
            validate_structure(entry["message"])


def validate_entry_ids(ids: list[str]) -> None:
    for entry_id in ids:
        if len(entry_id) > 80:
            message = f"The Id of a batch entry in the batch request is too long: {entry_id}"
            raise Refused("InvalidBatchEntryId", message)
        if not ENTRY_ID.fullmatch(entry_id):
            message = f"The Id of a batch entry in the batch request contains an impermissible character: {entry_id}"
            raise Refused("InvalidBatchEntryId", message)
    if len(ids) != len(set(ids)):
        raise Refused("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")


def validate_set_attribute(params: dict[str, Any]) -> None:
    """Raise Refused if SetSubscriptionAttributes has an unknown name or an invalid value."""
    name, value = sns._p(params, "AttributeName"), sns._p(params, "AttributeValue")
    arn = sns._p(params, "SubscriptionArn")
    subscription = sns._find_subscription(sns._sub_arn_to_topic.get(arn, ""), arn)
    if subscription is None:
        return  # refused as unknown
    if name not in SUBSCRIPTION_ATTRIBUTES:
        raise invalid("AttributeName")
    validate_attribute(name, value, subscription["attributes"].get("FilterPolicyScope", SCOPES[0]))


def validate_unsubscribe(params: dict[str, Any]) -> None:
    """Raise Refused if Unsubscribe has no ARN of a subscription."""
    arn = sns._p(params, "SubscriptionArn")
    if not arn:
        raise invalid("SubscriptionArn Reason: no value for required parameter")
    validate_arn("SubscriptionArn", arn)
    if arn.count(":") == 5:
        raise invalid("SubscriptionId")


def validate_permission(params: dict[str, Any]) -> None:
    """Raise Refused if AddPermission has a label that the policy has, or an action that SNS does not grant."""
    topic = sns._topic_by_arn_any_scope(sns._p(params, "TopicArn"))
    if topic is None:
        return  # refused as unknown
    statements = json.loads(topic["attributes"].get("Policy") or "{}").get("Statement", [])
    if any(statement.get("Sid") == sns._p(params, "Label") for statement in statements):
        raise invalid("Statement already exists")
    if not GRANTED.issuperset(sns._member_list(params, "ActionName")):
        raise invalid("Policy statement action out of service scope!")


def validate_tags(params: dict[str, Any]) -> None:
    """Raise Refused if TagResource has a key twice."""
    keys = [sns._p(params, name) for name in params if re.fullmatch(r"Tags\.member\.\d+\.Key", name)]
    if len(keys) != len(set(keys)):
        raise invalid("Duplicated keys are not allowed.")


def validate_token(params: dict[str, Any]) -> None:
    """Raise Refused if ConfirmSubscription has a token of no subscription of the topic."""
    topic = sns._topic_by_arn_any_scope(sns._p(params, "TopicArn"))
    token = sns._p(params, "Token")
    if topic and token not in [one.get("token") for one in topic["subscriptions"]]:
        raise invalid("Token")


def validate_topic_arn(params: dict[str, Any]) -> None:
    validate_arn("TopicArn", sns._p(params, "TopicArn"))


VALIDATIONS = {
    "_add_permission": validate_permission,
    "_confirm_subscription": validate_token,
    "_create_topic": validate_topic,
    "_get_topic_attributes": validate_topic_arn,
    "_publish": validate_publish,
    "_publish_batch": validate_batch,
    "_set_subscription_attributes": validate_set_attribute,
    "_subscribe": validate_subscription,
    "_tag_resource": validate_tags,
    "_unsubscribe": validate_unsubscribe,
}


def with_validation(action: Any, validate: Any) -> Any:
    def respond(params: dict[str, Any]) -> Any:
        try:
            validate(params)
        except Refused as refused:
            return sns._error(*refused.args, 400)
        return action(params)

    return respond


def with_empty_parameters(handle_request: Any) -> Any:
    """Wrap the handler of requests, which leaves out parameters of the body that are empty."""

    async def handle(method: str, path: str, headers: Any, body: bytes, query: dict[str, Any]) -> Any:
        empty = [name for name, value in parse_qsl(body.decode(errors="replace"), keep_blank_values=True) if not value]
        return await handle_request(method, path, headers, body, query | {name: [""] for name in empty})

    return handle


def with_aws_errors(error: Any) -> Any:
    """Wrap the construction of an error: its code is InvalidParameter, and an unknown resource is not named."""

    def respond(code: str, message: str, status: int) -> Any:
        if code == "InvalidParameterException":
            code = "InvalidParameter"
        if code == "NotFound":
            message = message.partition(":")[0]
        return error(code, message, status)

    return respond


def apply() -> None:
    sns.handle_request = with_empty_parameters(sns.handle_request)
    sns._error = with_aws_errors(sns._error)
    for name, validate in VALIDATIONS.items():
        setattr(sns, name, with_validation(getattr(sns, name), validate))
