"""Gap: the notification of an alarm lacks half of its members, and names the trigger and the Region differently.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
No longer needed when the notification of an alarm has the member AlarmArn.
"""

import json
import logging
import time
from functools import cache
from typing import Any

from botocore.loaders import Loader
from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import cloudwatch, sns

from localaws.cloudwatch.alarm_evaluation import written

logger = logging.getLogger(__name__)

type Json = dict[str, Any]

ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
STATISTICS = {"SampleCount": "SAMPLE_COUNT"}
TRIGGER = ("MetricName", "Namespace", "Period", "EvaluationPeriods", "ComparisonOperator", "Threshold")


@cache
def region_name(region: str) -> str:
    """Return the name of a Region, such as `US East (N. Virginia)`."""
    regions: Json = {}
    for partition in Loader().load_data("endpoints")["partitions"]:
        regions |= partition["regions"]
    return str(regions.get(region, {}).get("description", region))


def message(alarm: Json, old: str, new: str, reason: str) -> Json:
    """Return the notification of a change of state."""
    text = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": get_account_id(),
        "AlarmConfigurationUpdatedTimestamp": written(_seconds(alarm["AlarmConfigurationUpdatedTimestamp"])),
        "NewStateValue": new,
        "NewStateReason": reason,
        "StateChangeTime": written(time.time()),
        "Region": region_name(get_region()),
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": old,
    }
    text |= {name: alarm.get(name) or [] for name in ("OKActions", "AlarmActions", "InsufficientDataActions")}
    text["ActionExecutedAfterMuteWindow"] = False
    return text | (_of_composite(alarm) if "AlarmRule" in alarm else {"Trigger": _trigger(alarm)})


def _trigger(alarm: Json) -> Json:
    trigger = {name: alarm.get(name) for name in TRIGGER} | {"Unit": alarm.get("Unit")}
    trigger |= {"DatapointsToAlarm": alarm["DatapointsToAlarm"]} if alarm.get("DatapointsToAlarm") else {}
    dimensions = alarm.get("Dimensions") or []
    trigger["Dimensions"] = [{"value": each["Value"], "name": each["Name"]} for each in dimensions]
    trigger |= {"TreatMissingData": alarm.get("TreatMissingData") or "missing", "EvaluateLowSampleCountPercentile": ""}
    if extended := alarm.get("ExtendedStatistic"):
        return trigger | {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
    statistic = alarm["Statistic"]
    return trigger | {"StatisticType": "Statistic", "Statistic": STATISTICS.get(statistic, statistic.upper())}


def _of_composite(alarm: Json) -> Json:
    triggering = json.loads(alarm.get("StateReasonData") or "{}").get("triggeringAlarms", [])
    children = [
        {"Arn": child["arn"], "State": {"Value": child["state"]["value"], "Timestamp": child["state"]["timestamp"]}}
        for child in triggering
    ]
    return {"AlarmRule": alarm["AlarmRule"], "TriggeringChildren": children}


def _seconds(value: Any) -> float:
    return float(value if isinstance(value, int | float) else cloudwatch._parse_ts(value))


def dispatch(alarm: Json, old: str, new: str, reason: str) -> None:
    """Send a change of state to the topics of the alarm."""
    if not alarm.get("ActionsEnabled", True):
        return
    subject = f'{new}: "{alarm["AlarmName"]}" in {region_name(get_region())}'[:100]
    for arn in alarm.get(ACTIONS[new]) or []:
        if cloudwatch._is_sns_action_arn(arn):
            try:
                sns._fanout(arn, new_uuid(), json.dumps(message(alarm, old, new, reason)), subject)
            except Exception:
                logger.exception("alarm %s cannot notify %s", alarm["AlarmName"], arn)


def apply() -> None:
    cloudwatch._dispatch_alarm_actions = dispatch
