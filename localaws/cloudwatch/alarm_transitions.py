"""Gap: an alarm does not have the time of its last change of state, `StateTransitionedTimestamp`.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
No longer needed when DescribeAlarms returns `StateTransitionedTimestamp` for a new metric alarm.
"""

from typing import Any

from ministack.services import cloudwatch


def apply() -> None:
    record_history = cloudwatch._record_history

    def record_transition(alarm_name: str, old_state: str, new_state: str, *more: Any, **options: Any) -> None:
        alarm = cloudwatch._alarms.get(alarm_name) or cloudwatch._composite_alarms.get(alarm_name)
        if alarm and old_state != new_state:
            alarm["StateTransitionedTimestamp"] = alarm["StateUpdatedTimestamp"]
        record_history(alarm_name, old_state, new_state, *more, **options)

    cloudwatch._record_history = record_transition
    for name in ("_describe_alarms", "_describe_alarms_for_metric"):
        setattr(cloudwatch, name, _with_transitions(getattr(cloudwatch, name)))


def _with_transitions(describe: Any) -> Any:
    def answer(*request: Any) -> Any:
        for alarm in cloudwatch._alarms.values():
            alarm.setdefault("StateTransitionedTimestamp", alarm["StateUpdatedTimestamp"])
        return describe(*request)

    return answer
