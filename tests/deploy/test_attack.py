"""`make attack`: its runner, and the guards that `make weakened` takes."""

from __future__ import annotations

import ast
import contextlib
import socketserver
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import suite

from bench.weakened.weakenings import IN_TESTS, WEAKENINGS, Change, admitted_cases
from deploy.attack import framing, runner, stage
from deploy.attack.case import Attack, case
from deploy.errors import NotAttacked, NotDeployed
from deploy.verify.journey import Unexpected
from deploy.verify.requests import Answer

ROOT = Path(__file__).parent.parent.parent


class Doors(Attack):
    """Tries four doors."""

    kind = "doors"
    app = "shop-app"
    removed: list[str]

    @case
    def an_open_door(self) -> None:
        """Everything."""
        self.remove_later("the ladder", lambda: self.removed.append("ladder"))
        self.without(True, "a hall")

    @case
    def a_closed_door(self) -> None:
        """Nothing."""

    @case
    def a_door_that_is_stuck(self) -> None:
        """Nothing."""
        raise Unexpected("a door", "a wall")

    @case
    def a_door_that_is_elsewhere(self) -> None:
        """Nothing."""
        self.need_local("the door is in the cellar")


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch) -> type[Doors]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return type("Doors", (Doors,), {"removed": []})


def test_each_case_is_refused_admitted_skipped_or_not_tried(doors: type[Doors]) -> None:
    tried = runner.run([doors], "dev", on_tried=lambda each: None)

    assert [str(each) for each in tried] == [
        "doors: admitted: an open door. Lost: Everything. Got a hall",
        "doors: refused: a closed door",
        "doors: not tried: a door that is stuck: expected a door, got a wall",
        "doors: skipped: a door that is elsewhere: only on a local AWS: the door is in the cellar",
    ]
    assert doors.removed == ["ladder"]
    assert [*runner.table(tried)][-1] == "| all | 4 | 1 | 1 | 1 | 1 |"


def test_the_cases_of_some_name_are_run_alone(doors: type[Doors]) -> None:
    assert [each.case for each in runner.run([doors], "dev", "closed")] == ["a closed door"]


@pytest.mark.parametrize(
    ("status", "admitted"), [(401, False), (200, True), (404, True), (500, True)], ids=["401", "200", "404", "500"]
)
def test_only_the_named_statuses_are_refusals(doors: type[Doors], status: int, admitted: bool) -> None:
    answer = Answer("GET /", status, {}, b"")  # type: ignore[arg-type]

    def refuse(self: Attack) -> None:
        self.refused(answer, 401)

    refusing = type(
        "Refusing", (doors,), {name: None for name in vars(Doors) if "door" in name} | {"one": case(refuse)}
    )
    (tried,) = runner.run([refusing], "dev", on_tried=lambda each: None)
    assert tried.outcome == ("admitted" if admitted else "refused")


def test_an_answer_that_does_not_come_proves_nothing(doors: type[Doors]) -> None:
    with pytest.raises(Unexpected):
        doors("dev").refused(Answer("GET /", 0, {}, b"timed out"), 401)  # type: ignore[arg-type]


def test_an_admitted_attack_ends_the_command_with_an_error(
    doors: type[Doors], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stage, "ATTACKS", (doors,))
    monkeypatch.setattr(stage.stages, "of", lambda name: ["shop-app"])
    monkeypatch.setattr(stage.updates, "template_of", lambda name: None)

    with pytest.raises(NotAttacked, match="1 admitted, the first: doors: admitted: an open door"):
        stage.attack("dev")
    with pytest.raises(NotAttacked, match="1 not tried, the first: doors: not tried: a door that is stuck"):
        stage.attack("dev", wanted="stuck")
    with pytest.raises(NotAttacked, match="no case has 'gate' in its name"):
        stage.attack("dev", wanted="gate")
    with pytest.raises(NotDeployed, match="nothing to attack"):
        stage.attack("dev", app="other-app")
    assert "| doors | 4 | 1 | 1 | 1 | 1 |" in capsys.readouterr().out


# A server without the guards of h11


class Lenient(socketserver.BaseRequestHandler):
    """Answers once for every line that looks like the first of a request, whatever the lengths say."""

    def handle(self) -> None:
        received = self.request.recv(65_536)
        injected = b"X-Injected: yes\r\n" if b"X-Injected:" in received else b""
        status = b"101 Switching Protocols" if b"Upgrade:" in received else b"200 OK"
        answer = b"HTTP/1.1 " + status + b"\r\n" + injected
        target = received.split(b" ", 2)[1]
        answer += b"Content-Length: %d\r\n\r\n%b" % (len(target), target) if b"101" not in status else b"\r\n"
        with contextlib.suppress(OSError):
            self.request.sendall(answer * received.count(b" HTTP/1.1\r\n"))


@pytest.fixture(scope="module")
def lenient() -> Iterator[str]:
    """The address of a server that sees a request in everything."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Lenient) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/health"
        server.shutdown()


@pytest.mark.parametrize("name", [*framing.GatewayFraming.cases()])
def test_a_server_without_guards_admits_every_hidden_request(
    monkeypatch: pytest.MonkeyPatch, lenient: str, name: str
) -> None:
    monkeypatch.setattr(framing.GatewayFraming, "_url", lenient)

    (tried,) = [each for each in runner.run([framing.GatewayFraming], "dev", name) if each.case == name]

    assert tried.outcome == "admitted", tried


# The guards that `make weakened` takes


def cases() -> Counter[str]:
    return Counter(f"{kind.kind}: {name}" for kind in stage.ATTACKS for name in kind.cases())


def test_every_case_has_a_name_of_its_own_and_says_what_would_be_lost() -> None:
    assert [name for name, count in cases().items() if count > 1] == []
    for kind in stage.ATTACKS:
        assert [name for name, method in kind.cases().items() if not (method.__doc__ or "").endswith((".", ")."))] == []


def test_every_case_is_admitted_by_the_weakened_copy() -> None:
    in_tests = {name for name in cases() if name.partition(":")[0] in IN_TESTS}

    assert admitted_cases() | in_tests == cases().keys()
    assert not admitted_cases() & in_tests


@suite.of_all_apps
def test_every_guard_is_where_the_weakening_takes_it_from(tmp_path: Path) -> None:
    changes = [change for weakening in WEAKENINGS for change in weakening.changes]
    for name in {change.file for change in changes}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text())

    for change in changes:
        change.apply(tmp_path)

    for file in tmp_path.rglob("*.py"):
        ast.parse(file.read_text())


def test_a_guard_that_has_moved_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "door.py").write_text("lock()\n")

    with pytest.raises(ValueError, match=r"door.py has 0 times: bolt\(\)"):
        Change("door.py", "bolt()", "").apply(tmp_path)
