"""Option: write to a file which role used which action, to compare with what its policies grant.

`LOCALAWS_USED_ACTIONS` names the file. It gets a line of JSON the first time that a role uses an action, and the first
time that the role is denied it: `{"role", "session", "action", "decision": "Allow" or "Deny", "resource"}`. *session*
is the name of the role's session, empty for a service, and *resource* is the one of that time. Requests of a role are
recorded, and what a service such as Firehose does with a role. Root and users are not.
"""

import json
import os
import re
import threading
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator

VARIABLE = "LOCALAWS_USED_ACTIONS"
ROLE = re.compile(r"arn:aws:(?:sts::\d+:assumed-role/([^/]+)/(.*)|iam::\d+:role/(?:.*/)?([^/]+))")

_contexts: ContextVar[list[Any] | None] = ContextVar("contexts", default=None)
"""The contexts that the current request was evaluated with: its own, and those of resource policies."""


class Record:
    """The file, and what it has."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def add(self, context: Any, decision: str) -> None:
        """Append a line, if the use of the action by the role is new."""
        if not (role := ROLE.fullmatch(context.principal_arn)):
            return
        use = (role[1] or role[3], role[2] or "", context.action, decision)
        with self._lock:
            if use in self._seen:
                return
            self._seen.add(use)
            names = ("role", "session", "action", "decision", "resource")
            with self._file.open("a") as lines:
                lines.write(json.dumps(dict(zip(names, (*use, context.resource_arn), strict=True))) + "\n")


def request(enforce: Any, record: Record) -> Any:
    """Wrap the authorization of a request: record its action with the decision."""

    def enforce_and_record(*arguments: Any, **named: Any) -> Any:
        token = _contexts.set([])
        try:
            denied = enforce(*arguments, **named)
            if contexts := _contexts.get():
                record.add(contexts[0], "Deny" if denied else "Allow")
            return denied
        finally:
            _contexts.reset(token)

    return enforce_and_record


def evaluation(evaluate: Any, record: Record) -> Any:
    """Wrap the evaluation of policies: record an action that a service takes with a role outside of a request."""

    def evaluate_and_record(context: Any, *policies: Any) -> Any:
        result = evaluate(context, *policies)
        contexts = _contexts.get()
        if contexts is not None:
            contexts.append(context)
        elif result.decision == "Allow":
            record.add(context, "Allow")
        return result

    return evaluate_and_record


def apply() -> None:
    """Record if the option is set."""
    if file := os.environ.get(VARIABLE):
        record = Record(Path(file))
        iam_evaluator.evaluate = evaluation(iam_evaluator.evaluate, record)
        iam_evaluator.enforce = request(iam_evaluator.enforce, record)
