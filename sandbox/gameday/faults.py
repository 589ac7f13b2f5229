"""The faults of a game day: what causes each, which alarms it raises, and what the runbook says (docs/runbooks.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.gameday.stage import Stage

type Action = Callable[[Stage], object]
type Resource = tuple[str, str]
"""A stack without its stage, such as ``pipeline-app delivery``, and a logical id."""

MINUTE = 60
_PUBLISHER = ("updates", "Publisher")


def _nothing(stage: Stage) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """One fault, which raises *alarms*.

    *cause* begins it, *provoke* is what users and devices do in each *step* of seconds, and *mend* follows the runbook.
    A step is shorter than an hour: after an hour a record of a stream is too old for its consumer. *redrive* is the app
    whose failed messages are sent back then.
    """

    name: str
    alarms: tuple[Resource, ...]
    cause: Action = _nothing
    provoke: Action = _nothing
    mend: Action = _nothing
    step: int = MINUTE
    redrive: str | None = None


def _refused(app: str, *alarms: str) -> Fault:
    """The concurrency of an API's function is used up."""

    def ask(stage: Stage) -> None:
        for _ in range(5):
            stage.request(app, "/health")

    return Fault(
        f"{app} has no concurrency",
        tuple((app, alarm) for alarm in alarms),
        cause=lambda stage: stage.refuse(stage.resource(app, "APIHandler")),
        provoke=ask,
        mend=lambda stage: stage.allow(stage.resource(app, "APIHandler")),
    )


def _broken(name: str, app: str, function: str, provoke: Action, *alarms: Resource, step: int = MINUTE) -> Fault:
    """A release breaks a function. The runbook: release the version before, and redrive."""
    return Fault(
        name,
        alarms,
        cause=lambda stage: stage.break_function(stage.resource(app, function)),
        provoke=provoke,
        mend=lambda stage: stage.mend_function(stage.resource(app, function)),
        step=step,
        redrive=app,
    )


def _denied(name: str, role: Resource, action: str, provoke: Action, alarm: Resource, step: int = MINUTE) -> Fault:
    """A change of a policy takes a permission from a role of the pipeline."""
    return Fault(
        name,
        (alarm,),
        cause=lambda stage: stage.deny(stage.resource(*role), action),
        provoke=provoke,
        mend=lambda stage: stage.allow_again(stage.resource(*role)),
        step=step,
        redrive="pipeline-app",
    )


def _reject_payments(stage: Stage) -> None:
    """Refuse the API's function. The alarm needs the metrics of each method, which only `prod` has by default."""
    stage.measure_methods("video-app")
    stage.refuse(stage.resource("video-app", "APIHandler"))


def _break_redelivery(stage: Stage) -> None:
    """Break cleansing, whose failed batches go under `failed/`, and the function that sends them again."""
    stage.break_function(stage.resource("pipeline-app", "Cleanse"))
    stage.break_function(stage.resource("pipeline-app", "Redeliver"))


def _mend_redelivery(stage: Stage) -> None:
    stage.mend_function(stage.resource("pipeline-app", "Cleanse"))
    stage.mend_function(stage.resource("pipeline-app", "Redeliver"))


def _sign(stage: Stage) -> None:
    """Have the publisher sign the releases, as its schedule does."""
    stage.invoke(stage.resource(*_PUBLISHER), {"command": "refresh"})


def _mend_publisher(stage: Stage) -> None:
    stage.mend_function(stage.resource(*_PUBLISHER))
    _sign(stage)


def _mend_schedule(stage: Stage) -> None:
    stage.schedule("updates", "Refresh", enabled=True)
    _sign(stage)


FAULTS = (
    _refused("todo-app", "ServerErrors", "Throttles"),
    _refused("blog-app", "ServerErrors"),
    _refused("video-app", "ServerErrors", "Throttles"),
    _refused("pipeline-app", "ServerErrors"),
    _refused("receipts-app", "ServerErrors"),
    Fault(
        "todo-app is slow",
        (("todo-app", "SlowAnswers"),),
        cause=lambda stage: stage.slow_down(stage.resource("todo-app", "APIHandler")),
        provoke=lambda stage: stage.request("todo-app", "/health"),
        mend=lambda stage: stage.mend_function(stage.resource("todo-app", "APIHandler")),
    ),
    Fault(
        "payment events are rejected",
        (("video-app", "PaymentsUnheard"),),
        cause=_reject_payments,
        provoke=lambda stage: stage.request("video-app", "/payments/webhook", b"{}"),
        mend=lambda stage: stage.allow(stage.resource("video-app", "APIHandler")),
    ),
    _broken(
        "posts are not published",
        "blog-app",
        "PublishPosts",
        lambda stage: stage.touch(stage.output("blog-app", "table")),
        ("blog-app", "SomethingFailed"),
    ),
    _broken(
        "welcome mails are not swept",
        "blog-app",
        "SweepWelcomeMails",
        lambda stage: stage.invoke(stage.resource("blog-app", "SweepWelcomeMails"), {}),
        ("blog-app", "UnsentWelcomes"),
    ),
    _broken(
        "purchases are not published",
        "video-app",
        "PublishPurchases",
        lambda stage: stage.touch(stage.output("video-app", "payments_table")),
        ("video-app", "SomethingFailed"),
    ),
    _broken(
        "receipts are not sent",
        "receipts-app",
        "SendReceipts",
        Stage.publish_purchase,
        ("receipts-app", "SomethingFailed"),
    ),
    _broken(
        "devices are not tracked",
        "pipeline-app",
        "TrackDevices",
        Stage.send_readings,
        ("pipeline-app", "SomethingFailed"),
        ("pipeline-app", "DevicesLate"),
    ),
    Fault(  # it ends when the device is stopped
        "devices send more than a shard takes",
        (("pipeline-app", "StreamThrottled"),),
        provoke=lambda stage: stage.send_readings(500, size=2_500),
    ),
    _denied(
        "the IoT rule may not write to the stream",
        ("pipeline-app resources", "RuleRole"),
        "kinesis:PutRecord",
        Stage.publish_reading,
        ("pipeline-app", "UndeliveredMessages"),
    ),
    _broken(
        "cleansing fails",
        "pipeline-app",
        "Cleanse",
        Stage.send_readings,
        ("pipeline-app delivery", "CleansingFails"),
        step=5 * MINUTE,
    ),
    Fault(
        "failed records are not sent again",
        (("pipeline-app", "FailuresFailed"),),
        cause=_break_redelivery,
        provoke=Stage.send_readings,
        mend=_mend_redelivery,
        redrive="pipeline-app",
    ),
    Fault(
        "nobody takes the batches of the reports",
        (("pipeline-app", "ReportsLate"),),
        cause=lambda stage: stage.consume(stage.resource("pipeline-app", "RunReports"), enabled=False),
        provoke=Stage.send_readings,
        mend=lambda stage: stage.consume(stage.resource("pipeline-app", "RunReports"), enabled=True),
    ),
    _denied(
        "Firehose may not write to the bucket",
        ("pipeline-app delivery", "Role"),
        "s3:PutObject",
        Stage.send_readings,
        ("pipeline-app delivery", "Stale"),
        step=5 * MINUTE,
    ),
    Fault(
        "the releases are not signed",
        (("updates", "RefreshFails"),),
        cause=lambda stage: stage.break_function(stage.resource(*_PUBLISHER)),
        provoke=_sign,
        mend=_mend_publisher,
        step=10 * MINUTE,
    ),
    Fault(
        "the schedule of the signatures is off",
        (("updates", "RefreshIsMissing"),),
        cause=lambda stage: stage.schedule("updates", "Refresh", enabled=False),
        mend=_mend_schedule,
        step=50 * MINUTE,
    ),
)
"""In the order in which they are played. The last ones turn the clock by hours and days."""
