"""A journey: the steps of a user through one app, and the removal of what they made."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import boto3

from deploy import apps, stacks
from deploy.verify.requests import Answer, Http

LONGEST = 300.0
"""Seconds for which a step waits for a condition. On AWS an invalidation takes a minute, a buffer of Firehose too."""

_INTERVAL = 0.5
_TEXT = 400


class Unexpected(Exception):
    """A step did not get what it expected."""

    def __init__(self, expected: str, got: object) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected, self.got = expected, str(got)[:_TEXT]


class Skipped(Exception):
    """The stage has nothing that this step could verify; the message says why."""


class Interrupted(Exception):
    """The user ended the run."""


type Step = Callable[[Any], None]


def step(sentence: str) -> Callable[[Step], Step]:
    """Mark a method of a journey as a step. *sentence* says what it proves."""

    def mark(method: Step) -> Step:
        method.sentence = sentence  # type: ignore[attr-defined]
        return method

    return mark


class Journey:
    """A user's way through one app. Its steps are the methods marked by `step`, run in the order of their lines.

    A step that makes something calls `remove_later` before it does, so that nothing stays after an interruption.
    """

    app: ClassVar[str]
    prefix: ClassVar[str] = "verify"
    """The beginning of the names of all that a journey makes."""

    def __init__(self, stage: str, longest: float = LONGEST, ended: threading.Event | None = None) -> None:
        self.stage, self.longest = stage, longest
        self.name = f"{self.prefix}-{uuid.uuid4().hex[:8]}"
        self.http = Http()
        self._ended = ended or threading.Event()
        self._session = boto3.Session()
        self._clients: dict[str, Any] = {}
        self._outputs: dict[str, dict[str, str]] = {}
        self._removals: list[tuple[str, Callable[[], object]]] = []
        self.notes: list[str] = []
        """What the report says about the removal."""

    @classmethod
    def steps(cls) -> list[tuple[str, Step]]:
        """Return the sentence and the method of each step, those of a base class first."""
        methods = {name: method for base in reversed(cls.__mro__) for name, method in vars(base).items()}
        return [(method.sentence, method) for method in methods.values() if hasattr(method, "sentence")]

    # The stage

    @property
    def region(self) -> str:
        return str(self._session.region_name)

    @property
    def session(self) -> boto3.Session:
        """The tester's own session."""
        return self._session

    def client(self, service: str) -> Any:
        """Return a client with the tester's own credentials."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service)
        return self._clients[service]

    def outputs(self, kind: str = "resources", app: str | None = None) -> dict[str, str]:
        """Return the outputs of one of the app's stacks, none if the stage has no such stack."""
        name = apps.stack(app or self.app, self.stage, kind)
        if name not in self._outputs:
            self._outputs[name] = stacks.outputs(name, missing_ok=True)
        return self._outputs[name]

    def api(self, app: str | None = None) -> str:
        """Return the address of an app's API, from where other services read it too."""
        name = apps.address_parameter(app or self.app, self.stage)
        known = self.client("ssm").get_parameters(Names=[name])["Parameters"]
        return str(known[0]["Value"]) if known else apps.endpoint(app or self.app, self.stage).rstrip("/")

    # Expectations

    def expect(self, condition: object, expected: str, got: object) -> None:
        """Raise Unexpected unless *condition* is true."""
        if not condition:
            raise Unexpected(expected, got)

    def refused(self, answer: Answer, *statuses: int) -> None:
        """Raise Unexpected unless the request was refused with one of *statuses*."""
        self.expect(answer.status in statuses, f"a refusal with {' or '.join(map(str, statuses))}", answer)

    def until[T](
        self, look: Callable[[], T], is_right: Callable[[T], object], expected: str, longest: float | None = None
    ) -> T:
        """Call *look* until *is_right* of its result, and return the result. Raises Unexpected, and Interrupted.

        It may take *longest* seconds, by default those of the journey.
        """
        longest = self.longest if longest is None else longest
        found = look()
        deadline = time.monotonic() + longest
        while not is_right(found):
            if time.monotonic() > deadline:
                raise Unexpected(f"{expected} within {longest:g} s", found)
            if self._ended.wait(_INTERVAL):
                raise Interrupted
            found = look()
        return found

    def skip(self, reason: str) -> NoReturn:
        """End the step without a result."""
        raise Skipped(reason)

    # Removal

    def remove_later(self, what: str, remove: Callable[[], object]) -> None:
        """Call *remove* at the end, in the reverse of the order of these calls. It must bear that nothing is there."""
        self._removals.append((what, remove))

    def remove(self) -> list[str]:
        """Remove everything that this journey has made; return what could not be removed, with the reason."""
        left = []
        while self._removals:
            what, remove = self._removals.pop()
            try:
                remove()
            except Exception as error:  # whatever failed, the rest is removed
                left.append(f"{what}: {type(error).__name__}: {str(error)[:_TEXT]}")
        return left

    def note(self, text: str) -> None:
        """Say in the report what could not be removed by anyone."""
        self.notes.append(text)

    def settled(self, look: Callable[[], object]) -> bool:
        """Wait, also after an interruption, until *look* returns something true; return whether it did."""
        deadline = time.monotonic() + self.longest
        while not look():
            if time.monotonic() > deadline:
                return False
            time.sleep(_INTERVAL)
        return True
