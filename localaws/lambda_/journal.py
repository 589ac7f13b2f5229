"""What happened to each batch, told to the emulator by the pollers, which are another process.

The emulator keeps and answers it: `localaws/lambda_/deliveries.py`.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from dataclasses import asdict, dataclass
from threading import Event, Thread

from localaws import control_client

log = logging.getLogger(__name__)

CALL = "deliveries"
WAITING = 1000
"""How many steps wait to be sent, at most. Older ones are lost while the emulator does not answer."""
PAUSE = 1
"""Seconds in which steps gather after some were sent, so that a stream costs few calls. The first is sent at once."""


@dataclass(frozen=True)
class FunctionError:
    """The error of a function in its words, or the reason why Lambda did not invoke it. *trace* has the frames."""

    type: str
    message: str
    trace: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fate:
    """What follows an attempt.

    *outcome* is one of
    `succeeded`;
    `retried`: the same records are delivered again;
    `bisected`: the records are delivered again in two batches of *parts* records;
    `partial`: the function reported a later record. The first of *parts* succeeded, the others are delivered again;
    `returned`: of *parts*, the first were deleted and the others are in the queue again, or after the last attempt on
    their way to *destination*, the dead-letter queue;
    `throttled`: Lambda did not invoke the function, and tries again;
    `sent` to *destination*, `unsent` because the destination refused it, `discarded` because there is none.
    *condition* is what ended the retries, in AWS's words.
    """

    outcome: str
    parts: tuple[int, ...] = ()
    condition: str | None = None
    destination: str | None = None


@dataclass(frozen=True)
class Step:
    """One attempt with a batch, and what follows it.

    *at* is in epoch seconds. *age* is that of the oldest record, *last_age* that of the last one at the invocation, and
    *seconds* how long the function ran. *failed* has the identifiers of failed records. *attempts* is None if nothing
    limits them.
    """

    batch: str
    """The id of the batch. The parts of a bisected batch have that of the whole."""
    mapping: str
    """The UUID of the mapping; empty for an asynchronous invocation."""
    function: str
    source: str
    shard: str
    at: float
    records: int
    first: str
    last: str
    age: float
    attempt: int
    attempts: int | None
    fate: Fate
    request_id: str = ""
    seconds: float = 0
    failed: tuple[str, ...] = ()
    error: FunctionError | None = None
    last_age: float = 0
    event: str = ""
    """The event of an asynchronous invocation that failed, cut."""


class Journal:
    """Sends the steps to the emulator in a background thread."""

    def __init__(self, endpoint: str) -> None:
        self._address = f"{endpoint}/_localaws/{CALL}"
        self._steps: deque[Step] = deque(maxlen=WAITING)
        self._noted, self._stopped = Event(), Event()
        self._thread = Thread(target=self._send_all, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._noted.set()

    def note(self, step: Step) -> None:
        self._steps.append(step)
        self._noted.set()

    def _send_all(self) -> None:
        while not self._stopped.is_set():
            self._noted.wait()
            self._noted.clear()
            steps = [self._steps.popleft() for _ in range(len(self._steps))]
            try:
                control_client.call(self._address, json.dumps([asdict(step) for step in steps]).encode())
            except OSError as error:
                log.debug("the emulator does not take what happened to %d batches: %s", len(steps), error)
            self._stopped.wait(PAUSE)
