"""The faults of a game day: what causes each, which alarms it raises, and what the runbook says (docs/runbooks.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.gameday.stage import Stage

type Action = Callable[[Stage], object]
MINUTE = 60


@dataclass(frozen=True)
class Fault:
    """One fault. *alarms* are pairs of a stack without its stage, such as ``pipeline-app delivery``, and a logical id.

    *cause* begins it, *provoke* is what users and devices do in each *step* of seconds, and *mend* follows the runbook.
    A step is shorter than an hour: after an hour a record of a stream is too old for its consumer. *redrive* is the app
    whose failed messages are sent back then.
    """

    name: str
    alarms: tuple[tuple[str, str], ...]
    cause: Action
    provoke: Action
    mend: Action
    step: int = MINUTE
    redrive: str | None = None


def _refused_api(app: str, *more: str) -> Fault:
    """The concurrency of an API's function is used up."""

    def function(stage: Stage) -> str:
        return stage.resource(app, "APIHandler")

    def ask(stage: Stage) -> None:
        for _ in range(5):
            stage.request(app, "/health")

    return Fault(
        f"{app} has no concurrency",
        tuple((app, alarm) for alarm in ("ServerErrors", *more)),
        cause=lambda stage: stage.refuse(function(stage)),
        provoke=ask,
        mend=lambda stage: stage.allow(function(stage)),
    )


def _broken(name: str, app: str, function: str, provoke: Action, *alarms: str) -> Fault:
    """A release breaks a function. The runbook: release the version before."""
    return Fault(
        name,
        tuple((app, alarm) for alarm in alarms),
        cause=lambda stage: stage.break_function(stage.resource(app, function)),
        provoke=provoke,
        mend=lambda stage: stage.mend_function(stage.resource(app, function)),
        redrive=app,
    )


def _slow_api() -> Fault:
    def function(stage: Stage) -> str:
        return stage.resource("todo-app", "APIHandler")

    return Fault(
        "todo-app is slow",
        (("todo-app", "SlowAnswers"),),
        cause=lambda stage: stage.slow_down(function(stage)),
        provoke=lambda stage: stage.request("todo-app", "/health"),
        mend=lambda stage: stage.mend_function(function(stage)),
    )


def _unheard_payments() -> Fault:
    """The API fails for the provider. The alarm needs the metrics of each method, which only `prod` has by default."""

    def function(stage: Stage) -> str:
        return stage.resource("video-app", "APIHandler")

    def cause(stage: Stage) -> None:
        stage.measure_methods("video-app")
        stage.refuse(function(stage))

    return Fault(
        "payment events are rejected",
        (("video-app", "PaymentsUnheard"),),
        cause=cause,
        provoke=lambda stage: stage.request("video-app", "/payments/webhook", b"{}"),
        mend=lambda stage: stage.allow(function(stage)),
    )


def _crowded_stream() -> Fault:
    return Fault(
        "devices send more than a shard takes",
        (("pipeline-app", "StreamThrottled"),),
        cause=lambda stage: None,
        provoke=lambda stage: stage.send_readings(500, size=2_500),
        mend=lambda stage: None,  # the device is stopped
    )


def _waiting_batches() -> Fault:
    def function(stage: Stage) -> str:
        return stage.resource("pipeline-app", "RunReports")

    return Fault(
        "nobody takes the batches of the reports",
        (("pipeline-app", "ReportsLate"),),
        cause=lambda stage: stage.consume(function(stage), enabled=False),
        provoke=Stage.send_readings,
        mend=lambda stage: stage.consume(function(stage), enabled=True),
    )


def _undelivered_messages() -> Fault:
    def role(stage: Stage) -> str:
        return stage.resource("pipeline-app resources", "RuleRole")

    return Fault(
        "the IoT rule may not write to the stream",
        (("pipeline-app", "UndeliveredMessages"),),
        cause=lambda stage: stage.deny(role(stage), "kinesis:PutRecord"),
        provoke=Stage.publish_reading,
        mend=lambda stage: stage.allow_again(role(stage)),
        redrive="pipeline-app",
    )


def _late_delivery() -> Fault:
    def role(stage: Stage) -> str:
        return stage.resource("pipeline-app delivery", "Role")

    return Fault(
        "Firehose may not write to the bucket",
        (("pipeline-app delivery", "Stale"),),
        cause=lambda stage: stage.deny(role(stage), "s3:PutObject"),
        provoke=Stage.send_readings,
        mend=lambda stage: stage.allow_again(role(stage)),
        step=5 * MINUTE,
    )


def _failing_cleansing() -> Fault:
    def function(stage: Stage) -> str:
        return stage.resource("pipeline-app", "Cleanse")

    return Fault(
        "cleansing fails",
        (("pipeline-app delivery", "CleansingFails"),),
        cause=lambda stage: stage.break_function(function(stage)),
        provoke=Stage.send_readings,
        mend=lambda stage: stage.mend_function(function(stage)),
        step=5 * MINUTE,
    )


def _undelivered_records() -> Fault:
    """The batches that cleansing fails go under `failed/`, and the function that sends them again fails, too."""

    def cause(stage: Stage) -> None:
        for function in "Cleanse", "Redeliver":
            stage.break_function(stage.resource("pipeline-app", function))

    def mend(stage: Stage) -> None:
        stage.mend_function(stage.resource("pipeline-app", "Cleanse"))
        stage.mend_function(stage.resource("pipeline-app", "Redeliver"))

    return Fault(
        "failed records are not sent again",
        (("pipeline-app", "FailuresFailed"),),
        cause=cause,
        provoke=Stage.send_readings,
        mend=mend,
        redrive="pipeline-app",
    )


def _failing_refresh() -> Fault:
    def refresh(stage: Stage) -> None:
        stage.invoke(stage.resource("updates", "Publisher"), {"command": "refresh"})

    def mend(stage: Stage) -> None:
        stage.mend_function(stage.resource("updates", "Publisher"))
        refresh(stage)

    return Fault(
        "the releases are not signed",
        (("updates", "RefreshFails"),),
        cause=lambda stage: stage.break_function(stage.resource("updates", "Publisher")),
        provoke=refresh,
        mend=mend,
        step=10 * MINUTE,
    )


def _missing_refresh() -> Fault:
    def mend(stage: Stage) -> None:
        stage.schedule("updates", "Refresh", enabled=True)
        stage.invoke(stage.resource("updates", "Publisher"), {"command": "refresh"})

    return Fault(
        "the schedule of the signatures is off",
        (("updates", "RefreshIsMissing"),),
        cause=lambda stage: stage.schedule("updates", "Refresh", enabled=False),
        provoke=lambda stage: None,
        mend=mend,
        step=50 * MINUTE,
    )


FAULTS = (
    _refused_api("todo-app", "Throttles"),
    _refused_api("blog-app"),
    _refused_api("video-app", "Throttles"),
    _refused_api("pipeline-app"),
    _refused_api("receipts-app"),
    _slow_api(),
    _unheard_payments(),
    _broken(
        "posts are not published",
        "blog-app",
        "PublishPosts",
        lambda stage: stage.touch(stage.output("blog-app", "table")),
        "SomethingFailed",
    ),
    _broken(
        "welcome mails are not swept",
        "blog-app",
        "SweepWelcomeMails",
        lambda stage: stage.invoke(stage.resource("blog-app", "SweepWelcomeMails"), {}),
        "UnsentWelcomes",
    ),
    _broken(
        "purchases are not published",
        "video-app",
        "PublishPurchases",
        lambda stage: stage.touch(stage.output("video-app", "payments_table")),
        "SomethingFailed",
    ),
    _broken(
        "receipts are not sent",
        "receipts-app",
        "SendReceipts",
        Stage.publish_purchase,
        "SomethingFailed",
    ),
    _broken(
        "devices are not tracked",
        "pipeline-app",
        "TrackDevices",
        Stage.send_readings,
        "SomethingFailed",
        "DevicesLate",
    ),
    _crowded_stream(),
    _undelivered_messages(),
    _failing_cleansing(),
    _undelivered_records(),
    _waiting_batches(),
    _late_delivery(),
    _failing_refresh(),
    _missing_refresh(),
)
"""In the order in which they are played. The last ones turn the clock by hours and days."""
