"""Gap: CloudFormation makes queues, topics, subscriptions, rules and tables without the checks and defaults of APIs.

With this module, a stack makes them as a client does, by CreateQueue, CreateTopic, Subscribe, PutRule, PutTargets and
CreateTable. A function that a stack made has a dead-letter queue, and is described like one that CreateFunction made. A
queue and a table have no tags of CloudFormation itself.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-handlers.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-rule.html
No longer needed when a stack fails whose rule has the schedule `rate(1 minutes)`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ministack.services import dynamodb, eventbridge, lambda_svc, sns, sqs
from ministack.services.cloudformation import provisioners, stacks

from localaws.lambda_.event_invoke_configs import with_send_permission
from localaws.sqs import requests as sqs_requests

type Properties = dict[str, Any]
type Resource = tuple[str, dict[str, Any]]

TABLE = (
    "AttributeDefinitions",
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)
"""The properties of a table that are parameters of CreateTable, and that the emulator reads."""
RULE = ("Description", "RoleArn", "ScheduleExpression", "State")
UNTAGGED = ("AWS::DynamoDB::Table", "AWS::SQS::Queue")
NUMBERS = ("ReadCapacityUnits", "WriteCapacityUnits")


def checked(answer: Any, service: str) -> Any:
    """Return the body of an answer. Raises ValueError with the message of CloudFormation if it is an error."""
    status, _, body = answer
    text = body.decode() if isinstance(body, bytes) else body
    if status < 400:
        return text
    if text.startswith("<"):
        message = "".join(re.findall("<Message>(.*?)</Message>", text, re.DOTALL))
    else:
        error = json.loads(text)
        message = error.get("message") or error.get("Message") or ""
    raise ValueError(f"{message} (Service: {service}, Status Code: {status})")


def form(parameters: Mapping[str, str], attributes: Mapping[str, str]) -> dict[str, list[str]]:
    """Return a request of the query protocol with a map of attributes."""
    request = {name: [value] for name, value in parameters.items()}
    for number, (name, value) in enumerate(attributes.items(), 1):
        request |= {f"Attributes.entry.{number}.key": [name], f"Attributes.entry.{number}.value": [value]}
    return request


def create_queue(logical_id: str, properties: Properties, stack: str) -> Resource:
    name, is_fifo = provisioners._sqs_queue_name(properties, stack, logical_id)
    attributes = provisioners._sqs_queue_fields(properties, is_fifo) | ({"FifoQueue": "true"} if is_fifo else {})
    tags = provisioners._tag_map(properties.get("Tags"))
    url = sqs._HANDLERS["CreateQueue"]({"QueueName": name, "Attributes": attributes, "tags": tags}, "")["QueueUrl"]
    return url, provisioners._sqs_attrs(sqs._queues[url])


def with_checked_attributes(update: Any) -> Any:
    def update_queue(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str) -> Any:
        _, is_fifo = provisioners._sqs_queue_name(new, stack, logical_id)
        sqs_requests.check_attributes(provisioners._sqs_queue_fields(new, is_fifo), is_fifo)
        return update(physical_id, old, new, stack, logical_id)

    return update_queue


def create_topic(logical_id: str, properties: Properties, stack: str) -> Resource:
    name = properties.get("TopicName") or provisioners._physical_name(stack, logical_id, max_len=256)
    attributes = {key: str(properties[key]) for key in ("DisplayName",) if key in properties}
    tags = provisioners._tag_map(properties.get("Tags"))
    answer = checked(sns._create_topic(form({"Name": name}, attributes)), "Sns")
    (arn,) = re.findall("<TopicArn>(.*?)</TopicArn>", answer)
    sns._topics[arn]["tags"].update(tags)
    subscribe_inline(arn, properties.get("Subscription", []))
    return arn, provisioners._sns_topic_attrs(arn)


def subscribe_inline(topic: str, subscriptions: Iterable[Properties]) -> None:
    """Add the subscriptions that a topic's properties list. An update removes only those."""
    for properties in subscriptions:
        subscription = subscribe(topic, properties.get("Protocol", ""), properties.get("Endpoint", ""), {})
        subscription["_cfn_inline"] = True


def subscribe(topic: str, protocol: str, endpoint: str, attributes: Mapping[str, str]) -> Any:
    request = {"TopicArn": topic, "Protocol": protocol, "Endpoint": endpoint, "ReturnSubscriptionArn": "true"}
    (arn,) = re.findall("<SubscriptionArn>(.*?)</", checked(sns._subscribe(form(request, attributes)), "Sns"))
    return sns._find_subscription(topic, arn)


def create_subscription(logical_id: str, properties: Properties, stack: str) -> Resource:
    attributes = {name: value for name, value in provisioners._sns_sub_attributes(properties).items() if value}
    topic, protocol, endpoint = (properties.get(name, "") for name in ("TopicArn", "Protocol", "Endpoint"))
    arn = subscribe(topic, protocol, endpoint, attributes)["arn"]
    return arn, {"Arn": arn}


def with_inline_subscriptions(update: Any) -> Any:
    """Wrap the update of a topic: it adds subscriptions by Subscribe, and a topic without a display name has none."""

    def update_topic(arn: str, old: Properties, new: Properties, stack: str, logical_id: str) -> Any:
        updated = update(arn, old, new, stack, logical_id)
        topic = sns._topics[updated[0]]
        topic["attributes"]["DisplayName"] = new.get("DisplayName", "")
        added = [each for each in topic["subscriptions"] if not each["attributes"]]
        topic["subscriptions"] = [each for each in topic["subscriptions"] if each["attributes"]]
        subscribe_inline(updated[0], ({"Protocol": each["protocol"], "Endpoint": each["endpoint"]} for each in added))
        return updated

    return update_topic


def rule_request(name: str, bus: str, properties: Properties) -> dict[str, Any]:
    pattern = properties.get("EventPattern", "")
    text = json.dumps(pattern) if isinstance(pattern, dict) else pattern
    given = {key: properties[key] for key in RULE if properties.get(key)}
    return {"Name": name, "EventBusName": bus, "EventPattern": text} | given


def create_rule(logical_id: str, properties: Properties, stack: str) -> Resource:
    name = properties.get("Name") or provisioners._physical_name(stack, logical_id, max_len=64)
    bus = provisioners._eb_rule_bus_name(properties)
    eventbridge._ensure_default_bus()
    arn = json.loads(checked(eventbridge._put_rule(rule_request(name, bus, properties)), "EventBridge"))["RuleArn"]
    try:
        if targets := properties.get("Targets"):
            request = {"Rule": name, "EventBusName": bus, "Targets": targets}
            checked(eventbridge._put_targets(request), "EventBridge")
    except ValueError:
        provisioners._eb_rule_delete(name, properties)
        raise
    provisioners._eb_rule_apply_tags(arn, [], properties.get("Tags") or [])
    return rule_id(name, bus), {"Arn": arn, "RuleName": name}


def rule_id(name: str, bus: str) -> str:
    """Return the physical id of a rule, which `Ref` returns."""
    return name if bus == "default" else f"{bus}|{name}"


def with_rule_names(update: Any) -> Any:
    def update_rule(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str) -> Any:
        updated, attributes = update(physical_id.rpartition("|")[2], old, new, stack, logical_id)
        name = updated.rpartition("|")[2]
        return rule_id(name, provisioners._eb_rule_bus_name(new)), attributes

    return update_rule


def create_table(logical_id: str, properties: Properties, stack: str) -> Resource:
    name = properties.get("TableName") or provisioners._physical_name(stack, logical_id, max_len=255)
    request = {key: with_numbers(properties[key]) for key in TABLE if key in properties}
    request["DeletionProtectionEnabled"] = provisioners._cfn_bool(request.get("DeletionProtectionEnabled"))
    stream = properties.get("StreamSpecification")
    if stream:
        enabled = provisioners._cfn_bool(stream.get("StreamEnabled", True))
        request["StreamSpecification"] = {**stream, "StreamEnabled": enabled}
    checked(dynamodb._create_table(request | {"TableName": name}), "DynamoDb")
    table = dynamodb._tables[name]
    table["TableStatus"] = "ACTIVE"
    if tags := provisioners._tag_map(properties.get("Tags")):
        dynamodb._tags[table["TableArn"]] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return name, provisioners._ddb_attrs(table)


def with_numbers(value: Any) -> Any:
    """Return a copy of a property in which a number that is a text is a number."""
    if isinstance(value, list):
        return [with_numbers(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: int(item) if name in NUMBERS else with_numbers(item) for name, item in value.items()}


def with_function_settings(change: Any, position: int) -> Any:
    """Wrap the creation or the update of a function, whose properties are the argument at *position*."""

    def change_function(*resource: Any, **more: Any) -> Any:
        properties = resource[position]
        dead_letters = {**(properties.get("DeadLetterConfig") or {})}
        error = lambda_svc._validate_dead_letter_config(dead_letters) or send_error(properties, dead_letters)
        if error:
            checked(error, "Lambda")
        changed = change(*resource, **more)
        config = lambda_svc._functions[changed[0]]["config"]
        config.pop("DeadLetterConfig", None)
        if dead_letters.get("TargetArn"):
            config["DeadLetterConfig"] = dead_letters
        if not config.get("Environment", {}).get("Variables"):
            config.pop("Environment", None)
        if config["PackageType"] == "Zip":
            config.setdefault("RuntimeVersionConfig", {"RuntimeVersionArn": ""})
        return changed

    return change_function


def send_error(properties: Properties, dead_letters: dict[str, str]) -> Any:
    """Return the error for a role that cannot send to the dead-letter queue, or None."""
    request = {"Role": properties.get("Role"), "DeadLetterConfig": dead_letters}
    return with_send_permission(lambda data: None)(request)


def without_own_tags(tag: Any) -> Any:
    """Wrap the adding of tags to the properties of a resource."""

    def with_stack_tags(kind: str, properties: Properties, *stack: Any) -> Any:
        tagged = tag(kind, properties, *stack)
        if kind in UNTAGGED:
            kept = [each for each in tagged.pop("Tags") if not each["Key"].startswith("aws:cloudformation:")]
            tagged |= {"Tags": kept} if kept else {}
        return tagged

    return with_stack_tags


def apply() -> None:
    for module in (provisioners, stacks):
        module._with_stack_tags = without_own_tags(module._with_stack_tags)
    handlers = provisioners._RESOURCE_HANDLERS
    provisioners._sqs_create = create_queue
    provisioners._sns_create = create_topic
    provisioners._sns_sub_create = create_subscription
    provisioners._eb_rule_create = create_rule
    provisioners._ddb_create = create_table
    handlers["AWS::SQS::Queue"] |= {
        "create": create_queue,
        "update": with_checked_attributes(handlers["AWS::SQS::Queue"]["update"]),
    }
    handlers["AWS::SNS::Topic"] |= {
        "create": create_topic,
        "update": with_inline_subscriptions(handlers["AWS::SNS::Topic"]["update"]),
    }
    handlers["AWS::SNS::Subscription"]["create"] = create_subscription
    rule, delete_rule = handlers["AWS::Events::Rule"], handlers["AWS::Events::Rule"]["delete"]
    rule |= {
        "create": create_rule,
        "update": with_rule_names(rule["update"]),
        "delete": lambda physical_id, properties: delete_rule(physical_id.rpartition("|")[2], properties),
    }
    handlers["AWS::DynamoDB::Table"]["create"] = create_table
    function = handlers["AWS::Lambda::Function"]
    function["create"] = with_function_settings(function["create"], 1)
    function["update"] = with_function_settings(function["update"], 2)
