"""Gap: CloudFormation does not support AWS::CloudWatch::CompositeAlarm.

CloudWatch refuses a rule that names an alarm that does not exist. A change of the name replaces the alarm.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-compositealarm.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
No longer needed when CloudFormation creates a stack that contains an AWS::CloudWatch::CompositeAlarm.
"""

import json
from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

type Properties = dict[str, Any]

TYPE = "AWS::CloudWatch::CompositeAlarm"
SETTINGS = ("AlarmRule", "AlarmDescription", "ActionsEnabled", "AlarmActions", "OKActions", "InsufficientDataActions")


def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, dict[str, str]]:
    return put(properties.get("AlarmName") or provisioners._physical_name(stack, logical_id, max_len=255), properties)


def update(name: str, old: Properties, new: Properties, stack: str) -> tuple[str, dict[str, str]]:
    return put(name, new)


def put(name: str, properties: Properties) -> tuple[str, dict[str, str]]:
    request = {"AlarmName": name} | {key: properties[key] for key in SETTINGS if key in properties}
    request["Tags"] = list(properties.get("Tags") or [])
    status, _, body = cloudwatch._put_composite_alarm({}, request, False, True)
    if status >= 400:
        raise ValueError(json.loads(body)["message"])
    alarm = cloudwatch._composite_alarms[name]
    cloudwatch.cloudformation_set_metric_alarm_tags(name, request["Tags"])
    return name, {"Arn": alarm["AlarmArn"]}


def delete(name: str, properties: Properties) -> None:
    cloudwatch._delete_alarms({}, {"AlarmNames": [name]}, False, True)


def apply() -> None:
    provisioners._RESOURCE_HANDLERS[TYPE] = {"create": create, "update": update, "delete": delete}
    provisioners._REPLACING_PROPERTIES[TYPE] = ("AlarmName",)
