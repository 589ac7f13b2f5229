"""The faults of a game day: what causes each, which alarms it raises, and what the runbook says (docs/runbooks.md)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.gameday.stage import Stage

type Action = Callable[[Stage], object]
type Resource = tuple[str, str]
"""A stack without its stage, such as ``pipeline-app delivery``, and a logical id."""

MINUTE, HOUR = 60, 3_600
STEP = 50
"""Seconds of a short step. A reading that waits for a minute is late, and the clock is turned while it waits."""

_PUBLISHER = ("updates", "Publisher")


def _nothing(stage: Stage) -> None:
    pass


@dataclass(frozen=True)
class Sign:
    """What a user notices of a fault that raises no alarm: docs/runbooks.md says why."""

    name: str
    is_seen: Callable[[Stage], bool]


@dataclass(frozen=True)
class Fault:
    """One fault, which raises *alarms*, or else has a *sign*.

    *cause* begins it, *provoke* is what users and devices do in each step of the clock, and *mend* follows the runbook,
    which *remedy* says in words. *redrive* is the app whose failed messages are sent back then. *afterwards* is done in
    each step from then on.
    """

    name: str
    alarms: tuple[Resource, ...]
    remedy: str
    cause: Action = _nothing
    provoke: Action = _nothing
    mend: Action = _nothing
    redrive: str | None = None
    afterwards: Action = _nothing
    once: bool = False
    """Whether to provoke it in the first step only. A message that fails late would raise the alarm again."""
    sign: Sign | None = None

    @property
    def apps(self) -> set[str]:
        """The apps whose alarms the fault raises."""
        return {stack.partition(" ")[0] for stack, _ in self.alarms}


@dataclass(frozen=True)
class Round:
    """Faults of different apps, which are played side by side while the clock is turned by *step* seconds at a time.

    A longer step ends with two short ones. An alarm with a period of a minute looks at the last minute only, and not
    again within a minute.
    """

    step: int
    faults: tuple[Fault, ...]


def _refused(app: str, *alarms: str) -> Fault:
    """The concurrency of an API's function is used up."""

    def ask(stage: Stage) -> None:
        for _ in range(5):
            stage.request(app, "/health")

    return Fault(
        f"{app} has no concurrency",
        tuple((app, alarm) for alarm in alarms),
        "give the function concurrency",
        cause=lambda stage: stage.refuse(stage.resource(app, "APIHandler")),
        provoke=ask,
        mend=lambda stage: stage.allow(stage.resource(app, "APIHandler")),
    )


def _broken(name: str, app: str, function: str, provoke: Action, *alarms: Resource, once: bool = True) -> Fault:
    """A release breaks a function. The runbook: release the version before, and redrive."""
    return Fault(
        name,
        alarms,
        "release the version before, redrive",
        cause=lambda stage: stage.break_function(stage.resource(app, function)),
        provoke=provoke,
        once=once,
        mend=lambda stage: stage.mend_function(stage.resource(app, function)),
        redrive=app,
    )


def _denied(name: str, role: Resource, action: str, provoke: Action, alarm: Resource) -> Fault:
    """A change of a policy takes a permission from a role of the pipeline."""
    return Fault(
        name,
        (alarm,),
        "give the role its permission, redrive",
        cause=lambda stage: stage.deny(stage.resource(*role), action),
        provoke=provoke,
        mend=lambda stage: stage.allow_again(stage.resource(*role)),
        redrive="pipeline-app",
    )


def _reject_payments(stage: Stage) -> None:
    """Break the API's function. The alarm needs the metrics of each method, which only `prod` has by default."""
    stage.measure_methods("video-app")
    stage.break_function(stage.resource("video-app", "APIHandler"))


def _break_redelivery(stage: Stage) -> None:
    """Break cleansing, whose failed batches go under `failed/`, and the function that sends them again."""
    stage.break_function(stage.resource("pipeline-app", "Cleanse"))
    stage.break_function(stage.resource("pipeline-app", "Redeliver"))


def _mend_redelivery(stage: Stage) -> None:
    stage.mend_function(stage.resource("pipeline-app", "Cleanse"))
    stage.mend_function(stage.resource("pipeline-app", "Redeliver"))


def _break_reports(stage: Stage) -> None:
    """Break the function of the reports, and ask for one."""
    stage.break_function(stage.resource("pipeline-app", "RunReports"))
    stage.request_report()


def _sign(stage: Stage) -> None:
    """Have the publisher sign the releases, as its schedule does."""
    stage.invoke(stage.resource(*_PUBLISHER), {"command": "refresh"})


def _mend_publisher(stage: Stage) -> None:
    stage.mend_function(stage.resource(*_PUBLISHER))
    _sign(stage)


def _mend_schedule(stage: Stage) -> None:
    stage.schedule("updates", "Refresh", enabled=True)
    _sign(stage)


def _unsigned(name: str, remedy: str, cause: Action) -> Fault:
    """The publisher of the updates cannot sign the releases."""
    alarms = (("updates", "RefreshFails"),)
    return Fault(name, alarms, remedy, cause=cause, provoke=_sign, mend=_mend_publisher, afterwards=_sign)


_CONCURRENCY = Round(
    STEP,
    (
        _refused("todo-app", "ServerErrors", "Throttles", "Unavailable"),
        _refused("blog-app", "ServerErrors"),
        _refused("video-app", "ServerErrors", "Throttles", "Unavailable"),
        _refused("pipeline-app", "ServerErrors"),
        _refused("receipts-app", "ServerErrors"),
    ),
)
_RELEASES = Round(
    STEP,
    (
        Fault(
            "todo-app is slow",
            (("todo-app", "SlowAnswers"), ("todo-app", "Unavailable")),
            "release the version before",
            cause=lambda stage: stage.slow_down(stage.resource("todo-app", "APIHandler")),
            provoke=lambda stage: stage.request("todo-app", "/health"),
            mend=lambda stage: stage.mend_function(stage.resource("todo-app", "APIHandler")),
        ),
        _broken(
            "posts are not published",
            "blog-app",
            "PublishPosts",
            lambda stage: stage.touch(stage.output("blog-app", "table")),
            ("blog-app", "SomethingFailed"),
        ),
        Fault(
            "payment events are rejected",
            (("video-app", "PaymentsUnheard"), ("video-app", "ServerErrors"), ("video-app", "Unavailable")),
            "release the version before",
            cause=_reject_payments,
            provoke=lambda stage: stage.request("video-app", "/payments/webhook", b"{}"),
            mend=lambda stage: stage.mend_function(stage.resource("video-app", "APIHandler")),
        ),
        _broken(
            "devices are not tracked",
            "pipeline-app",
            "TrackDevices",
            Stage.send_readings,
            ("pipeline-app", "SomethingFailed"),
            ("pipeline-app", "DevicesLate"),
            ("pipeline-app", "ConsumersFail"),
            once=False,
        ),
    ),
)
_WRITES = Round(
    STEP,
    (
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
        Fault(
            "devices send more than a shard takes",
            (("pipeline-app", "StreamThrottled"),),
            "stop the device",
            provoke=lambda stage: stage.send_readings(500, size=2_500),
        ),
    ),
)
_MESSAGES = Round(
    STEP,
    (
        _denied(
            "the IoT rule may not write to the stream",
            ("pipeline-app resources", "RuleRole"),
            "kinesis:PutRecord",
            Stage.publish_reading,
            ("pipeline-app", "UndeliveredMessages"),
        ),
    ),
)
_CLEANSING = Round(
    STEP,
    (
        _broken(
            "receipts are not sent",
            "receipts-app",
            "SendReceipts",
            Stage.publish_purchase,
            ("receipts-app", "SomethingFailed"),
        ),
        _broken(
            "cleansing fails",
            "pipeline-app",
            "Cleanse",
            Stage.send_readings,
            ("pipeline-app delivery", "CleansingFails"),
        ),
    ),
)
_REDELIVERY = Round(
    STEP,
    (
        Fault(
            "failed records are not sent again",
            (("pipeline-app delivery", "CleansingFails"), ("pipeline-app", "FailuresFailed")),
            "release the version before, redrive",
            cause=_break_redelivery,
            provoke=Stage.send_readings,
            once=True,
            mend=_mend_redelivery,
            redrive="pipeline-app",
        ),
    ),
)
_QUEUES = Round(
    STEP,
    (
        Fault(
            "nobody takes the batches of the reports",
            (("pipeline-app", "ReportsLate"),),
            "enable the event source",
            cause=lambda stage: stage.consume(stage.resource("pipeline-app", "RunReports"), enabled=False),
            provoke=Stage.send_readings,
            mend=lambda stage: stage.consume(stage.resource("pipeline-app", "RunReports"), enabled=True),
        ),
        Fault(
            "an event of a purchase is not one",
            (("receipts-app", "SomethingFailed"),),
            "delete the message",
            provoke=Stage.publish_poison,
            once=True,
            mend=lambda stage: stage.delete_failed("receipts-app"),
        ),
    ),
)
_UNALARMED = Round(
    STEP,
    (
        Fault(
            "the certificate of a device is not valid any more",
            (),
            "give the device a new certificate",
            cause=Stage.withdraw_certificate,
            mend=Stage.issue_certificate,
            sign=Sign("the device cannot connect", lambda stage: not stage.device.connects()),
        ),
        Fault(
            "the update servers hang",
            (),
            "terminate the instances",
            cause=lambda stage: stage.signal_servers(signal.SIGSTOP),
            mend=lambda stage: stage.signal_servers(signal.SIGKILL),
            sign=Sign("the edge answers 5xx", lambda stage: stage.asks_servers() >= 500),
        ),
    ),
)
_REGION = Round(
    STEP,
    (
        Fault(
            "the Region is gone",
            (),
            "wait for it; with a standby, docs/two-regions.md",
            cause=lambda stage: stage.turn_region("down"),
            mend=lambda stage: stage.turn_region("up"),
            sign=Sign("the API does not answer", lambda stage: not stage.answers("blog-app")),
        ),
    ),
)
_DELIVERY = Round(
    5 * MINUTE,
    (
        _denied(
            "Firehose may not write to the bucket",
            ("pipeline-app delivery", "Role"),
            "s3:PutObject",
            Stage.send_readings,
            ("pipeline-app delivery", "Stale"),
        ),
    ),
)
_HALF_HOURS = Round(
    32 * MINUTE,
    (
        Fault(
            "the reports fail",
            (("pipeline-app", "BatchesFailed"),),
            "release the version before, redrive",
            cause=_break_reports,
            mend=lambda stage: stage.mend_function(stage.resource("pipeline-app", "RunReports")),
            redrive="pipeline-app",
        ),
        _unsigned(
            "the releases are not signed",
            "mend the function, invoke it",
            lambda stage: stage.break_function(stage.resource(*_PUBLISHER)),
        ),
    ),
)
_DISK = Round(
    32 * MINUTE,
    (
        _unsigned(
            "the disk of the releases is full",
            "make room, invoke the function",
            lambda stage: stage.fill_disk(stage.resource(*_PUBLISHER)),
        ),
    ),
)
_DAYS = Round(
    8 * HOUR,
    (
        Fault(
            "the schedule of the signatures is off",
            (("updates", "RefreshIsMissing"),),
            "enable the rule, invoke the function",
            cause=lambda stage: stage.schedule("updates", "Refresh", enabled=False),
            mend=_mend_schedule,
        ),
    ),
)
ROUNDS = (
    _CONCURRENCY,
    _RELEASES,
    _WRITES,
    _MESSAGES,
    _CLEANSING,
    _REDELIVERY,
    _QUEUES,
    _DELIVERY,
    _UNALARMED,
    _REGION,
    _HALF_HOURS,
    _DISK,
    _DAYS,
)
"""In the order in which they are played.

With short steps, a record of a stream can fail many times before it is an hour old and its consumer gives it up, and
readings whose cleansing fails are not late for Firehose.
"""

FAULTS = tuple(fault for each in ROUNDS for fault in each.faults)
