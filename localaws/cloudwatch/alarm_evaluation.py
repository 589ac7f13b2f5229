"""Gap: an alarm is evaluated only if data arrive, as one value of all dimensions, and ignores most of its settings.

An alarm is evaluated each minute, or each ten seconds if its period is shorter. Its window slides: the last of its
periods ends with the last minute.
`DatapointsToAlarm` and `TreatMissingData` decide, and the reason of a change names the datapoints. If less than the
evaluation periods have data, the two periods before them are looked at as well.
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html
AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
No longer needed when an alarm that treats missing data as breaching goes to ALARM without any data.
"""

import json
import logging
import operator
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from localaws.cloudwatch import metric_statistics

logger = logging.getLogger(__name__)

type Json = dict[str, Any]

EARLIER_PERIODS = 2
COMPARISONS = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
TREATMENTS = {"breaching": "Breaching", "notBreaching": "NonBreaching"}


@dataclass(frozen=True)
class Datapoint:
    """The statistic of a period."""

    time: float
    """The start of the period, epoch seconds."""
    value: float
    sample_count: float


@dataclass(frozen=True)
class Evaluation:
    """A state of an alarm, with its reason."""

    state: str
    reason: str
    datapoints: list[Datapoint] = field(default_factory=list)
    """The datapoints that were evaluated, the latest first."""


def evaluate(alarm: Json, found: list[Datapoint], end: float) -> Evaluation | None:
    """Return the state of an alarm at *end*, given the datapoints of its evaluation range, the latest first.

    None means that the state stays as it is.
    """
    periods = int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    is_breaching, _ = COMPARISONS[alarm["ComparisonOperator"]]
    found = found[:periods]
    missing = periods - len(found)
    breaching = [point for point in found if is_breaching(point.value, alarm["Threshold"])]
    ignores = alarm.get("Namespace") == "AWS/DynamoDB"
    treatment = "ignore" if ignores else alarm.get("TreatMissingData") or "missing"
    treated = missing if treatment == "breaching" else 0
    if len(breaching) + treated >= needed:
        return Evaluation("ALARM", _reason(alarm, breaching, missing, "ALARM"), found)
    if len(breaching) < len(found) or (missing and treatment == "notBreaching"):
        others = [point for point in found if point not in breaching]
        return Evaluation("OK", _reason(alarm, others, missing, "OK"), found)
    if treatment != "missing":
        return None
    if not found:
        unknown = "1 datapoint was" if periods == 1 else f"{periods} datapoints were"
        return Evaluation("INSUFFICIENT_DATA", f"Insufficient Data: {unknown} unknown.")
    if end - breaching[-1].time >= needed * alarm["Period"]:
        return Evaluation("ALARM", _reason(alarm, breaching, missing, "ALARM"), found)
    return None


def _reason(alarm: Json, points: list[Datapoint], missing: int, state: str) -> str:
    """Return the reason of a state that these datapoints, or else missing ones, decide."""
    periods, treatment = int(alarm["EvaluationPeriods"]), TREATMENTS.get(alarm.get("TreatMissingData") or "")
    if not points:
        received = "1 period" if periods == 1 else f"{periods} periods"
        were = "1 missing datapoint was" if missing == 1 else f"{missing} missing datapoints were"
        return f"Threshold Crossed: no datapoints were received for {received} and {were} treated as [{treatment}]."
    count = f"{len(points)} out of the last {periods} datapoints" if "DatapointsToAlarm" in alarm else _count(points)
    listed = ", ".join(f"{point.value} ({_moment(point.time):%d/%m/%y %H:%M:%S})" for point in points)
    verb = ("was " if len(points) == 1 else "were ") + ("" if state == "ALARM" else "not ")
    text = f"Threshold Crossed: {count} [{listed}] {verb}{COMPARISONS[alarm['ComparisonOperator']][1]} the threshold"
    text += f" ({alarm['Threshold']})"
    if "DatapointsToAlarm" not in alarm:
        return f"{text}."
    needed = int(alarm["DatapointsToAlarm"])
    minimum = needed if state == "ALARM" else periods - needed + 1
    change = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
    return f"{text} (minimum {minimum} datapoint{'' if minimum == 1 else 's'} for {change} transition)."


def _count(points: list[Datapoint]) -> str:
    return "1 datapoint" if len(points) == 1 else f"{len(points)} datapoints"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def written(seconds: float) -> str:
    """Return a time as texts of alarms have it."""
    moment = _moment(seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def datapoints(alarm: Json, end: float) -> Iterator[Datapoint]:
    """Yield the datapoints of an alarm's evaluation range before *end*, the latest first."""
    period, statistic = int(alarm["Period"]), alarm.get("ExtendedStatistic") or alarm["Statistic"]
    start = end - (int(alarm["EvaluationPeriods"]) + EARLIER_PERIODS) * period
    found = metric_statistics.periods(alarm, start, end, period, alarm.get("Unit"), origin=start)
    for begin in sorted({begin for begin, _ in found}, reverse=True):
        points = found[begin, min(unit for of, unit in found if of == begin)]
        statistics = cloudwatch._calc_stats(points)
        value = cloudwatch._stat_value(statistics, statistic, points)
        if value is not None:
            yield Datapoint(begin, float(value), statistics["SampleCount"])


def window_end(alarm: Json, now: float) -> float:
    """Return when the evaluation window ends: at the last minute, or ten seconds if the period is shorter."""
    step = interval(alarm)
    return now // step * step


def interval(alarm: Json) -> int:
    """Return the seconds from one evaluation of an alarm to the next."""
    return 60 if int(alarm["Period"]) >= 60 else 10


def reason_data(alarm: Json, evaluation: Evaluation, now: float) -> Json:
    period, points = int(alarm["Period"]), evaluation.datapoints
    evaluated: list[Json] = [
        {"timestamp": written(point.time), "sampleCount": point.sample_count, "value": point.value} for point in points
    ]
    if not points:
        last = window_end(alarm, now) - period
        evaluated = [{"timestamp": written(last - n * period)} for n in range(int(alarm["EvaluationPeriods"]))]
    data = {"version": "1.0", "queryDate": written(now)}
    data |= {"startDate": written(points[-1].time)} if points else {}
    data |= {"unit": alarm["Unit"]} if alarm.get("Unit") else {}
    return data | {
        "statistic": alarm.get("ExtendedStatistic") or alarm["Statistic"],
        "period": period,
        "recentDatapoints": [point.value for point in reversed(points)],
        "threshold": alarm["Threshold"],
        "evaluatedDatapoints": evaluated,
    }


def update(alarm: Json, now: float) -> None:
    """Evaluate an alarm, and change its state if that is another one."""
    end = window_end(alarm, now)
    evaluation = evaluate(alarm, list(datapoints(alarm, end)), end)
    old = alarm["StateValue"]
    if evaluation is None or evaluation.state == old:
        return
    data = reason_data(alarm, evaluation, now)
    alarm |= {
        "StateValue": evaluation.state,
        "StateReason": evaluation.reason,
        "StateReasonData": json.dumps(data),
        "StateUpdatedTimestamp": int(now),
    }
    cloudwatch._record_history(alarm["AlarmName"], old, evaluation.state, evaluation.reason, reason_data=data)
    cloudwatch._dispatch_alarm_actions(alarm, old, evaluation.state, evaluation.reason)
    cloudwatch._evaluate_parent_alarms(alarm)


class Evaluator(threading.Thread):
    """A thread that evaluates each alarm an interval after its last evaluation or change."""

    def __init__(self) -> None:
        super().__init__(name="alarms", daemon=True)
        self._evaluated: dict[tuple[str, str, str], float] = {}

    def run(self) -> None:
        while True:
            time.sleep(1)
            for place, alarm in list(cloudwatch._alarms._data.items()):
                self.look_at(place, alarm, time.time())

    def look_at(self, place: tuple[str, str, str], alarm: Json, now: float) -> None:
        """Evaluate an alarm of an account and a Region, if it is time."""
        if alarm.get("ComparisonOperator") not in COMPARISONS or not alarm.get("MetricName"):
            return  # an expression, or a band
        changed = max(alarm.get(f"{name}Timestamp") or 0 for name in ("StateUpdated", "AlarmConfigurationUpdated"))
        if now < max(changed, self._evaluated.get(place, 0)) + interval(alarm):
            return
        self._evaluated[place] = now
        try:
            with request_scope(*place[:2]):
                update(alarm, now)
        except Exception:
            logger.exception("alarm %s", alarm["AlarmName"])


def apply() -> None:
    cloudwatch._evaluate_alarm = lambda alarm: None  # the thread does it
    Evaluator().start()
