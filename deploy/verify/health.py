"""The journey through an app that has no other: its API answers."""

from __future__ import annotations

from deploy.verify.journey import Journey, step


class Health(Journey):
    """The first step of every journey through an API."""

    @step("The API answers.")
    def api_answers(self) -> None:
        url = f"{self.api()}/health"
        self.until(lambda: self.http.get(url), lambda answer: answer.json == {"status": "ok"}, '{"status": "ok"}')
