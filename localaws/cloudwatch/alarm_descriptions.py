"""Gap: the description of an alarm has members that were never set, and lacks the time of its last change of state.

The tags of a deleted alarm are an empty list in AWS, not an error. CloudFormation makes alarms in another way: those
get an average in addition to an extended statistic.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
No longer needed when DescribeAlarms returns `StateTransitionedTimestamp`, and no `TreatMissingData` that was not set.
"""

from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

UNSET = {"AlarmDescription": "", "TreatMissingData": "missing"}
"""Members that ministack sets by itself."""


def apply() -> None:
    put_metric_alarm = cloudwatch._put_metric_alarm
    list_tags = cloudwatch._list_tags_for_resource

    def put(params: Any, request: Any, is_cbor: bool, is_json: bool = False) -> Any:
        answer = put_metric_alarm(params, request, is_cbor, is_json)
        if alarm := cloudwatch._alarms.get(request.get("AlarmName")):
            alarm.setdefault("StateTransitionedTimestamp", alarm["StateUpdatedTimestamp"])
            _drop_unset(alarm, request)
        return answer

    def list_tags_of_any(params: Any, request: Any, is_cbor: bool, is_json: bool = False) -> Any:
        answer = list_tags(params, request, is_cbor, is_json)
        if answer[0] == 404:
            return cloudwatch._cbor_ok({"Tags": []}) if is_cbor else cloudwatch._json_ok({"Tags": []})
        return answer

    provisioners._cw_metric_alarm_record = of_stack(provisioners._cw_metric_alarm_record)
    cloudwatch._put_metric_alarm = put
    cloudwatch._list_tags_for_resource = list_tags_of_any


def of_stack(record: Any) -> Any:
    """Wrap the making of an alarm by CloudFormation."""

    def alarm_record(name: str, properties: dict[str, Any]) -> Any:
        alarm = record(name, properties)
        before = cloudwatch._alarms.get(name, {}).get("StateTransitionedTimestamp")
        alarm["StateTransitionedTimestamp"] = before or alarm["StateUpdatedTimestamp"]
        if alarm["ExtendedStatistic"]:
            del alarm["Statistic"]
        return alarm

    return alarm_record


def _drop_unset(alarm: dict[str, Any], request: dict[str, Any]) -> None:
    for name, default in UNSET.items():
        if name not in request and alarm.get(name) == default:
            del alarm[name]
