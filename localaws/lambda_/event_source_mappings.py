"""Gap: the emulator ignores or mistypes most settings of an event source mapping, and refuses hardly any.

This module stores all settings, refuses what AWS refuses (localaws.lambda_.mapping_rules), plays the states of a
mapping (`Creating`, `Updating`, `Enabling`, `Disabling`, `Deleting`), and turns the emulator's poller off;
localaws.lambda_.poller delivers instead. A stack waits until its mapping is enabled, so it is enabled at once there.
With a delay (account.eventual_consistency) every new mapping is `Creating` for that time. A mapping that starts at
LATEST misses the records of this time, as AWS warns.
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
AWS: https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
AWS: https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html
No longer needed when a mapping with MaximumRetryAttempts and BisectBatchOnFunctionError isolates a poison record.
"""

import json
import time
from typing import Any

from ministack.services import lambda_svc
from ministack.services.cloudformation import provisioners

from localaws.account.eventual_consistency import delay
from localaws.changes import calls as changes
from localaws.lambda_.clients import MAPPING_HEADER
from localaws.lambda_.error_responses import Answer
from localaws.lambda_.mapping_rules import Refusal, check_change, check_new, convert_types, function_settings
from localaws.lambda_.request_constraints import validation_message

CHANGE_SECONDS = 0.5
"""How long a mapping stays in a state like `Creating`. AWS takes seconds to minutes."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "sqs": {"BatchSize": 10, "StateTransitionReason": "USER_INITIATED"},
    "streams": {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "LastProcessingResult": "No records processed",
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
    },
}
IMMUTABLE = ("EventSourceArn", "StartingPosition", "StartingPositionTimestamp")
INTERNAL = ("Enabled", "FunctionName", "NextState", "Qualifier", "SettlesAt", "Tags")
FAILED = "PROBLEM: Function call failed"


def store_settings(mapping: dict[str, Any], settings: dict[str, Any]) -> None:
    """Store all given settings in the mapping, and the defaults of its source type for the others."""
    kind = "sqs" if ":sqs:" in settings["EventSourceArn"] else "streams"
    for name in ("FilterCriteria", "LastProcessingResult", "ScalingConfig", "StartingPosition"):
        mapping.pop(name, None)
    mapping |= {"MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": [], "Enabled": True} | DEFAULTS[kind]
    change_settings(mapping, settings)
    mapping["State"] = "Enabled" if mapping["Enabled"] else "Disabled"


def change_settings(mapping: dict[str, Any], settings: dict[str, Any]) -> None:
    """Store the given settings in the mapping. Empty filters and an empty scaling configuration are removed."""
    mapping |= {name: value for name, value in settings.items() if name not in ("FunctionName", "Tags")}
    mapping["LastModified"] = time.time()
    if "DestinationConfig" in mapping:
        mapping["DestinationConfig"] = {"OnFailure": mapping["DestinationConfig"].get("OnFailure") or {}}
    if not (mapping.get("FilterCriteria") or {}).get("Filters"):
        mapping.pop("FilterCriteria", None)
    if not mapping.get("ScalingConfig"):
        mapping.pop("ScalingConfig", None)


def pass_through(mapping: dict[str, Any], state: str, end: str | None, seconds: float = CHANGE_SECONDS) -> None:
    """Let the mapping have the state for *seconds*, then the state *end*. None removes the mapping."""
    mapping |= {"State": state, "NextState": end, "SettlesAt": time.time() + seconds}
    changes.mappings_changed()
    changes.mapping_changes_after(seconds)


def settle() -> None:
    """Complete the changes of state whose time is over."""
    now = time.time()
    for uuid, mapping in list(lambda_svc._esms.items()):
        if "SettlesAt" not in mapping or mapping["SettlesAt"] > now:
            continue
        end, at = mapping.pop("NextState"), mapping.pop("SettlesAt")
        if end is None:
            lambda_svc._esms.pop(uuid, None)
        else:
            mapping |= {"State": end, "LastModified": at}


def response(mapping: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping as the API describes it."""
    described = {name: value for name, value in mapping.items() if name not in INTERNAL}
    return described | {"EventSourceMappingArn": lambda_svc._esm_arn(mapping["UUID"])}


def refusal_response(refusal: Refusal) -> Answer:
    answer: Answer = lambda_svc.error_response_json(refusal.code, str(refusal), refusal.status)
    return answer


def not_found() -> Answer:
    answer: Answer = lambda_svc.error_response_json(
        "ResourceNotFoundException", "The resource you requested does not exist.", 404
    )
    return answer


def in_use(action: str) -> Refusal:
    return Refusal(f"Cannot {action} the event source mapping because it is in use.", "ResourceInUseException")


def with_rules(create: Any) -> Any:
    def create_mapping(data: dict[str, Any]) -> Any:
        settle()
        settings = convert_types(data)
        try:
            check_new(settings, list(lambda_svc._esms.values()))
        except Refusal as refusal:
            return refusal_response(refusal)
        status, headers, body = create(settings)
        if status >= 400:
            return status, headers, body
        mapping = lambda_svc._esms[json.loads(body)["UUID"]]
        store_settings(mapping, settings)
        if mapping["Enabled"]:
            pass_through(mapping, "Creating", "Enabled", max(CHANGE_SECONDS, delay()))
        return lambda_svc.json_response(response(mapping), status)

    return create_mapping


def update_mapping(uuid: str, data: dict[str, Any]) -> Any:
    settle()
    mapping, change = lambda_svc._esms.get(uuid), convert_types(data)
    if mapping is None:
        return not_found()
    try:
        if "SettlesAt" in mapping:
            raise in_use("update")
        check_change(mapping, change)
    except Refusal as refusal:
        return refusal_response(refusal)
    was_enabled = mapping["Enabled"]
    change_settings(mapping, change)
    if "FunctionName" in change:
        point_to(mapping, change["FunctionName"])
    state = "Updating"
    if mapping["Enabled"] != was_enabled:
        state = "Enabling" if mapping["Enabled"] else "Disabling"
    pass_through(mapping, state, "Enabled" if mapping["Enabled"] else "Disabled")
    return lambda_svc.json_response(response(mapping), 202)


def point_to(mapping: dict[str, Any], reference: str) -> None:
    """Let the mapping invoke another function, version or alias."""
    _, qualifier = lambda_svc._resolve_name_and_qualifier(reference)
    name = function_settings(reference)["FunctionName"]
    arn = lambda_svc._func_arn(name) + (f":{qualifier}" if qualifier else "")
    mapping |= {"FunctionName": name, "Qualifier": qualifier, "FunctionArn": arn}


def delete_mapping(uuid: str) -> Any:
    settle()
    mapping = lambda_svc._esms.get(uuid)
    if mapping is None:
        return not_found()
    if "SettlesAt" in mapping:
        return refusal_response(in_use("delete"))
    pass_through(mapping, "Deleting", None)
    return lambda_svc.json_response(response(mapping), 202)


def get_mapping(uuid: str) -> Any:
    settle()
    mapping = lambda_svc._esms.get(uuid)
    return lambda_svc.json_response(response(mapping)) if mapping else not_found()


def after_settling(read: Any) -> Any:
    def list_mappings(query: Any) -> Any:
        settle()
        return read(query)

    return list_mappings


def create_in_stack(provision: Any) -> Any:
    def create_mapping(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        settle()
        settings = convert_types(properties)
        check_template(settings)
        check_new(settings, list(lambda_svc._esms.values()))
        uuid, attributes = provision(logical_id, properties, stack)
        mapping = lambda_svc._esms[uuid]
        store_settings(mapping, settings)
        mapping["Tags"] = {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or ()}
        if mapping["Enabled"] and delay():
            pass_through(mapping, "Creating", "Enabled", delay())
        return uuid, attributes

    return create_mapping


def update_in_stack(provision: Any) -> Any:
    def update_mapping(uuid: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Any:
        settle()
        settings = convert_types(new)
        check_template(settings)
        mapping = lambda_svc._esms.get(uuid)
        if mapping is None or any(old.get(name) != new.get(name) for name in IMMUTABLE):
            check_new(settings, list(lambda_svc._esms.values()))
        else:
            check_change({"EventSourceArn": mapping["EventSourceArn"]}, settings)
        uuid, attributes = provision(uuid, old, new, stack)
        store_settings(lambda_svc._esms[uuid], settings)
        return uuid, attributes

    return update_mapping


def check_template(settings: dict[str, Any]) -> None:
    known = {name: value for name, value in settings.items() if name != "Tags"}
    if message := validation_message("CreateEventSourceMapping", known):
        raise Refusal(message, "ValidationException")


def with_result(invoke: Any) -> Any:
    """Wrap Invoke: note the result in the stream mapping that the request names."""

    async def invoke_function(name: str, event: Any, headers: Any, *arguments: Any) -> Any:
        answer = await invoke(name, event, headers, *arguments)
        mapping = lambda_svc._esms.get(headers.get(MAPPING_HEADER, ""))
        if mapping and "LastProcessingResult" in mapping:
            failed = answer[0] != 200 or "X-Amz-Function-Error" in answer[1]
            mapping["LastProcessingResult"] = FAILED if failed else "OK"
        return answer

    return invoke_function


def apply() -> None:
    lambda_svc._ensure_poller = lambda: None
    lambda_svc._create_esm = with_rules(lambda_svc._create_esm)
    lambda_svc._update_esm, lambda_svc._delete_esm, lambda_svc._get_esm = update_mapping, delete_mapping, get_mapping
    lambda_svc._list_esms, lambda_svc._esm_response = after_settling(lambda_svc._list_esms), response
    lambda_svc._invoke = with_result(lambda_svc._invoke)
    kind = "AWS::Lambda::EventSourceMapping"
    resource = provisioners._RESOURCE_HANDLERS[kind]
    resource["create"] = create_in_stack(resource["create"])
    resource["update"] = update_in_stack(resource["update"])
    provisioners._STACK_TAG_PROPERTY[kind] = ("Tags", "list")
