"""`make verify`: the runner, the removal of what a journey made, and the report. tests/e2e/test_verify.py runs it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring

from deploy import updates
from deploy.errors import NotDeployed, NotVerified
from deploy.verify import report, runner, stage, update_servers
from deploy.verify.health import Health
from deploy.verify.journey import Journey, step
from deploy.verify.requests import Answer, Http
from deploy.verify.runner import REMOVAL, Result

VERIFY = Path(stage.__file__).parent


class Shopping(Journey):
    """Makes two things, and fails, skips or is interrupted where *cause* says."""

    app = "shop-app"
    removed: list[str]
    cause: Callable[[Journey], object]

    @step("The customer takes a basket.")
    def take(self) -> None:
        self.remove_later("the basket", lambda: self.removed.append("basket"))

    @step("The customer fills it.")
    def fill(self) -> None:
        self.remove_later("the apples", lambda: self.removed.append("apples"))
        type(self).cause(self)

    @step("The customer pays.")
    def pay(self) -> None:
        """Nothing is wrong here."""


def shopping(cause: Callable[[Journey], object] = lambda journey: None) -> type[Shopping]:
    return type("Shopping", (Shopping,), {"removed": [], "cause": staticmethod(cause)})


def outcomes(results: list[Result]) -> list[str]:
    return [result.outcome for result in results]


def test_a_journey_runs_its_steps_in_order_and_removes_the_last_thing_first() -> None:
    journey, shown = shopping(), list[Result]()

    results = runner.run([journey], "dev", on_result=shown.append)

    assert shown == results
    assert outcomes(results) == ["passed"] * 4
    assert [result.step for result in results][-1] == REMOVAL
    assert journey.removed == ["apples", "basket"]
    assert runner.first_failure(results) is None


def raised(journey: Journey) -> None:
    raise KeyError("Items")


def not_deployed(journey: Journey) -> None:
    raise NotDeployed("shop-app has no API on dev")


@pytest.mark.parametrize(
    ("cause", "expected", "got"),
    [
        (lambda journey: journey.expect(False, "six apples", 5), "six apples", "5"),
        (lambda journey: journey.until(lambda: 5, lambda found: found == 6, "six apples"), "six apples within", "5"),
        (raised, "no error", "KeyError: 'Items'"),
        (not_deployed, "no error", "shop-app has no API on dev"),
    ],
)
def test_a_failed_step_ends_its_journey_alone_and_all_is_removed(
    cause: Callable[[Journey], object], expected: str, got: str
) -> None:
    failing, other = shopping(cause), shopping()

    results = runner.run([failing, other], "dev", longest=0.1, on_result=lambda result: None)

    assert outcomes(results[:4]) == ["passed", "failed", "not run", "passed"]
    assert outcomes(results[4:]) == ["passed"] * 4
    assert failing.removed == other.removed == ["apples", "basket"]
    failure = runner.first_failure(results)
    assert failure
    assert (failure.step, failure.got) == ("The customer fills it.", got)
    assert failure.expected.startswith(expected)


def test_a_step_that_has_nothing_to_verify_is_skipped_with_its_reason() -> None:
    results = runner.run([shopping(lambda journey: journey.skip("no apples today"))], "dev")

    assert outcomes(results) == ["passed", "skipped", "passed", "passed"]
    assert results[1].reason == "no apples today"


def test_what_cannot_be_removed_is_a_failure_that_names_it_and_the_rest_is_removed() -> None:
    def stuck() -> None:
        raise ValueError("it is locked")

    journey = shopping(lambda journey: journey.remove_later("the till", stuck))

    results = runner.run([journey], "dev")

    assert outcomes(results) == ["passed", "passed", "passed", "failed"]
    assert results[-1].got == "the till: ValueError: it is locked"
    assert journey.removed == ["apples", "basket"]


def interrupted(number: signal.Signals) -> Callable[[Journey], object]:
    """Return a step during which the process gets a signal."""

    def wait(journey: Journey) -> None:
        os.kill(os.getpid(), number)
        journey.until(lambda: None, bool, "something that never comes")

    return wait


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_a_waiting_step_and_all_is_removed(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(number)

    journey = shopping(interrupted(number))

    results = runner.run([journey], "dev")

    assert outcomes(results) == ["passed", "not run", "not run", "passed"]
    assert journey.removed == ["apples", "basket"]
    assert "removing what was made" in capsys.readouterr().out
    assert signal.getsignal(number) is handler


RESULTS = [
    Result("todo-app", "A user signs in.", "passed", 1.5, 10.0),
    Result("todo-app", "A <b>todo</b> is written.", "failed", 0.25, 12.0, "201", "500 for POST /todos: \x00"),
    Result("todo-app", "The todo is read.", "not run"),
    Result("todo-app", REMOVAL, "passed", 0.5, 13.0),
    Result("blog-app", "The page loads.", "skipped", 0.0, 11.0, got="there is no page"),
]


def test_the_junit_report_has_a_suite_for_each_app_and_a_case_for_each_step() -> None:
    suites = fromstring(report.junit(RESULTS, "dev"))

    assert [(s.get("name"), s.get("tests"), s.get("failures"), s.get("skipped")) for s in suites] == [
        ("todo-app", "4", "1", "1"),
        ("blog-app", "1", "0", "1"),
    ]
    (failure,) = suites.iter("failure")
    assert str(failure.get("message")).startswith("Expected 201; got 500 for POST /todos")
    assert [case.get("time") for case in suites.iter("testcase")][:2] == ["1.500", "0.250"]


def test_the_page_needs_no_other_file_and_shows_what_failed_first() -> None:
    page = report.page(RESULTS, "dev", "account 123456789012", "2030-01-31 18:00 UTC")

    assert "The first failure is in todo-app:" in page
    assert "A &lt;b&gt;todo&lt;/b&gt; is written." in page
    assert "account 123456789012" in page
    assert re.findall(r'(?:src|href)="|url\(|@import', page) == []
    assert "prefers-color-scheme: dark" in page


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.stages, "of", lambda name: ["shop-app"] if name == "dev" else [])
    monkeypatch.setattr(stage.updates, "template_of", lambda name: None)
    monkeypatch.setattr(stage, "target", lambda: "account 123456789012")


def verify(monkeypatch: pytest.MonkeyPatch, folder: Path, journey: type[Journey]) -> None:
    monkeypatch.setitem(stage.JOURNEYS, "shop-app", journey)
    stage.verify("dev", folder=folder)


def test_a_verified_stage_leaves_both_reports(
    deployed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(monkeypatch, tmp_path / "dist", shopping())

    assert {file.name for file in (tmp_path / "dist").iterdir()} == {"verify-dev.xml", "verify-dev.html"}
    assert "shop-app: passed: The customer pays." in capsys.readouterr().out


def test_the_error_names_the_first_failed_step_and_what_was_expected_and_got(
    deployed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NotVerified, match=r"shop-app: “The customer fills it.” Expected six apples; got 5"):
        verify(monkeypatch, tmp_path, shopping(lambda journey: journey.expect(False, "six apples", 5)))
    assert (tmp_path / "verify-dev.html").exists()


def test_an_interrupted_run_is_not_verified(deployed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(NotVerified, match="interrupted"):
        verify(monkeypatch, tmp_path, shopping(interrupted(signal.SIGINT)))


@pytest.mark.parametrize(("name", "apps", "missing"), [("qa", (), "nothing"), ("dev", ("todo-app",), "todo-app")])
def test_what_is_not_deployed_is_not_verified(deployed: None, name: str, apps: tuple[str, ...], missing: str) -> None:
    with pytest.raises(NotDeployed, match=f"^{missing} is not deployed to {name}"):
        stage.verify(name, apps)


def test_an_app_without_a_journey_of_its_own_gets_the_first_step() -> None:
    journey = stage.journey_of("orders-app")

    assert journey.app == "orders-app"
    assert [sentence for sentence, _ in journey.steps()] == ["The API answers."]


@pytest.mark.parametrize("journey", stage.JOURNEYS.values(), ids=lambda journey: str(journey.app))
def test_each_step_says_what_it_proves_in_one_sentence(journey: type[Journey]) -> None:
    sentences = [sentence for sentence, _ in journey.steps()]

    assert len(set(sentences)) == len(sentences) >= 3
    assert [each for each in sentences if not re.fullmatch(r"[A-Z][^.]*\.", each)] == []
    if issubclass(journey, Health):
        assert sentences[0] == "The API answers."


def test_update_servers_that_nothing_was_published_to_are_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    unpublished = SimpleNamespace(has_released=lambda: False)
    monkeypatch.setattr(update_servers, "Publisher", lambda stage: unpublished)
    monkeypatch.setattr(updates, "template_of", lambda stage: "after")

    *steps, removal = runner.run([update_servers.Updates], "dev")

    assert {(result.outcome, result.reason) for result in steps} == {
        ("skipped", "nothing is published yet: make publish STAGE=dev FILE=… VERSION=…")
    }
    assert removal.outcome == "passed"


def test_no_journey_knows_the_sandbox() -> None:
    for file in VERIFY.glob("*.py"):
        text = "\n".join(file.read_text().split('"""')[::2])  # without docstrings
        assert re.findall(r"_ministack|_localaws|_aws/|outputs\.json|sandbox|localaws|127\.0\.0\.1", text) == [], file


def test_an_answer_as_text_has_no_signature_and_no_content_of_a_success() -> None:
    class Pool:
        def request(self, method: str, url: str, **_: Any) -> Any:
            return type("Got", (), {"status": 200, "headers": {}, "data": b'{"url": "secret"}'})

    http = Http()
    http._pool = Pool()  # type: ignore[assignment]

    assert str(http.get("https://a.example/f?Signature=abc")) == "200 for GET https://a.example/f: 17 bytes"


def test_a_request_that_gets_no_answer_is_an_answer_without_a_status() -> None:
    answer = Http().get("http://127.0.0.1:1/health")

    assert isinstance(answer, Answer)
    assert (answer.status, answer.json) == (0, None)
    assert "NewConnectionError" in answer.body.decode()
