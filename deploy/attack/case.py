"""A case: one thing that an attacker tries."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlsplit

from deploy.verify.journey import Journey, Unexpected
from deploy.verify.requests import Answer

type Case = Callable[[Any], None]


class Admitted(Exception):
    """An attack succeeded; the message says with which answer."""


def case(method: Case) -> Case:
    """Mark a method as a case. Its docstring says what would be lost if it was admitted."""
    method.is_case = True  # type: ignore[attr-defined]
    return method


class Attack(Journey):
    """Attacks of one kind on one app. The cases are the methods marked by `case`; none depends on another.

    A case returns if the attack was refused, and raises Admitted if it succeeded.
    """

    kind: ClassVar[str]
    prefix = "attack"

    @classmethod
    def cases(cls) -> dict[str, Case]:
        """Return the cases by their names in words."""
        methods = {name: method for base in reversed(cls.__mro__) for name, method in vars(base).items()}
        return {name.replace("_", " "): method for name, method in methods.items() if hasattr(method, "is_case")}

    @property
    def is_local(self) -> bool:
        """Whether the stage is one of a local AWS."""
        return urlsplit(os.environ.get("AWS_ENDPOINT_URL", "")).hostname in ("127.0.0.1", "localhost")

    def need_local(self, reason: str) -> None:
        """Skip the case on AWS."""
        if not self.is_local:
            self.skip(f"only on a local AWS: {reason}")

    def need(self, app: str) -> None:
        """Skip the case if the stage has no *app*."""
        if not self.outputs(app=app):
            self.skip(f"the stage has no {app}")

    def allowed(self, answer: Answer, *statuses: int) -> Answer:
        """Return the answer to a harmless request, whose refusal would prove nothing. Raises Unexpected."""
        statuses = statuses or (200,)
        self.expect(answer.status in statuses, f"{' or '.join(map(str, statuses))} for a harmless request", answer)
        return answer

    def refused(self, answer: Answer, *statuses: int) -> None:
        """Raise Admitted unless the attack got one of *statuses*: a server error is not a refusal either."""
        if answer.status == 0:
            raise Unexpected("an answer", answer)
        self.without(answer.status not in statuses, answer)

    def without(self, damage: object, found: object) -> None:
        """Raise Admitted if there is *damage*; *found* shows it."""
        if damage:
            raise Admitted(str(found)[:300])
