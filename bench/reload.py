"""From a save to what it changes: seconds for twenty kinds of change, beside `chalice local`.

A sandbox runs on a clone of the last commit, `chalice local` on a second one, and each gets the same changes in turn.
What is measured ends when a request shows the change, or for broken code when the log does. Then requests under load
meet five reloads.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import httpx

from bench import clones
from localaws.ports import find_free_port

_APP, _BRANCH = "todo-app", "another-branch"
_LONGEST, _LONGEST_OF_PEER, _PAUSE = 120, 15, 0.02
"""Seconds until a change counts as not seen, and between two looks."""
_QUIET = 2
"""Seconds in which the sandbox prints nothing once all is deployed."""
_REQUESTS, _CLIENTS, _RELOADS = 1000, 4, 5
_LINE = re.compile(r"^(\w+-app) +(.*  \d+\.\d s|the earlier version goes on: .*)$", re.MULTILINE)
"""What the sandbox prints once an app was deployed, or could not be."""


type _Save = Callable[[Path], object]
"""Saves a change in the clone at a root."""
type _Seen = Callable[[_Place], bool]


@dataclass
class _Place:
    """A clone of the repository, and what serves the app in it."""

    root: Path
    api: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """The outputs of the sandbox; `chalice local` has none."""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))

    def get(self, url: str) -> httpx.Response | None:
        """Return the answer to a browser that opens the URL, or None if nothing answers."""
        try:
            return self.http.get(url, headers={"Sec-Fetch-Dest": "document"})
        except httpx.TransportError:
            return None

    def shows(self, url: str, text: str) -> bool:
        answer = self.get(url)
        return answer is not None and text in answer.text

    def health(self) -> str:
        """Return what the route that changes says, or its status if that is not 200, or nothing if nothing answers."""
        answer = self.get(f"{self.api}/health")
        if answer is None:
            return ""
        return str(answer.json()["status"]) if answer.status_code == 200 else str(answer.status_code)

    def aws(self, service: str) -> Any:
        """Return a client of the sandbox's AWS."""
        return boto3.client(
            service,
            self.outputs["region"],
            endpoint_url=self.outputs["endpoint"],
            aws_access_key_id=self.outputs["access_key_id"],
            aws_secret_access_key=self.outputs["secret_access_key"],
        )

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The app and the outcome of each deployment so far."""
        return _LINE.findall((self.root / ".sandbox" / "sandbox.log").read_text())

    def settle(self, deployments: int = 0) -> None:
        """Wait until there were as many deployments, and no other one for some seconds."""
        changed = time.monotonic()
        known = len(self.lines)
        while known < deployments or time.monotonic() - changed < _QUIET:
            time.sleep(0.1)
            if len(self.lines) != known:
                known, changed = len(self.lines), time.monotonic()
            if time.monotonic() - changed > _LONGEST:
                return


@dataclass
class _Kind:
    """A kind of change: how it is saved, and whether it is seen."""

    title: str
    save: _Save
    seen: _Seen
    peer: bool = False
    """Whether `chalice local` serves what is changed."""
    apps: int = 1
    """How many apps the sandbox deploys."""
    before: tuple[_Save, int] | None = None
    """What is saved before, and not measured, with the number of apps that the sandbox deploys for it."""
    breaks: bool = False
    """Whether the code is broken."""


# What is saved


def _write(name: str, text: str) -> _Save:
    return lambda root: (root / name).write_text(text)


def _remove(name: str) -> _Save:
    return lambda root: (root / name).unlink()


def _append(name: str, text: str) -> _Save:
    def save(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write(text)

    return save


def _replace(name: str, old: str, new: str) -> _Save:
    def save(root: Path) -> None:
        text = (root / name).read_text()
        if old not in text:
            raise ValueError(f"{name} has no {old!r}, which this benchmark changes")
        (root / name).write_text(text.replace(old, new, 1))

    return save


def _says(expression: str) -> _Save:
    """Let the health of the app say the value of an expression."""

    def save(root: Path) -> None:
        file = root / _CODE
        answer = f'{{"status": {expression}}}'
        file.write_text(re.sub(r'\{"status": .*\}', lambda _: answer, file.read_text(), count=1))

    return save


def _all(*saves: _Save) -> _Save:
    def save(root: Path) -> None:
        for each in saves:
            each(root)

    return save


def _require(root: Path) -> None:
    """Require a package of another app, with its hashes."""
    locked = (root / "video-app" / "requirements.txt").read_text()
    found = re.search(r"^pybreaker==(?:.*\\\n)*.*\n", locked, re.MULTILINE)
    if not found:
        raise ValueError("video-app does not require pybreaker, which this benchmark adds to another app")
    _append(f"{_APP}/requirements.txt", found[0])(root)


def _many(count: int, pattern: str) -> _Save:
    return _all(*(_write(pattern.format(number), '"""One of many files."""\n') for number in range(count)))


def _git(*command: str) -> _Save:
    author = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
    return lambda root: subprocess.run(["git", *author, *command], cwd=root, check=True, capture_output=True)


_CODE, _LIB = f"{_APP}/app.py", f"{_APP}/chalicelib"
_ROUTE = '\n\n@app.route("/bench", methods=["GET"])\ndef bench() -> dict[str, str]:\n    return {"it": "is new"}\n'
_BROKEN, _MISSING = "\n\ndef broken(:\n", "\n\nimport no_such_module\n"
_HEADER = "        response.headers.setdefault(_CORRELATION_ID, correlation_id)\n"
_MODULE = '__import__("chalicelib.{0}", fromlist=["{0}"]).TEXT'
_BEFORE_INDEX = "      TimeToLiveSpecification:"
_INDEX = (
    "      GlobalSecondaryIndexes:\n        - IndexName: by-id\n"
    "          KeySchema: [{AttributeName: id, KeyType: HASH}]\n          Projection: {ProjectionType: ALL}\n"
)
_POLICY = '"Statement": ['
_ALLOWED = '{"Effect": "Allow", "Action": "dynamodb:ListTables", "Resource": "*"},'
_LIST_TABLES = 'str("TableNames" in __import__("boto3").client("dynamodb").list_tables())'
_VARIABLE = "          STAGE: !Ref Stage\n"
_SCHEDULE = (
    '\n\n@app.schedule("rate(7 hours)")\ndef sometimes(event: object) -> None:\n    """Do nothing."""\n',
    '"api_handler": {"iam_policy_file": "policies/local/api-handler.json"}',
)

_BRANCH_FILES = _all(
    _many(20, f"{_LIB}/branch_{{}}.py"),
    _many(15, f"{_APP}/web/branch-{{}}.js"),
    _many(4, "receipts-app/chalicelib/branch_{}.py"),
    _says('"branch"'),
)


# What is seen


def _answers(text: str) -> _Seen:
    return lambda place: place.health() == text


def _shows(app: str, output: str, path: str, text: str) -> _Seen:
    return lambda place: place.shows(place.outputs[app][output] + path, text)


def _has_route(place: _Place) -> bool:
    return place.shows(f"{place.api}/bench", "is new")


def _has_no_route(place: _Place) -> bool:
    return bool(place.health()) and not _has_route(place)


def _everywhere(place: _Place) -> bool:
    apis = [each["api"] for each in place.outputs.values() if isinstance(each, dict) and "api" in each]
    answers = [place.get(f"{api}/health") for api in apis or [place.api]]
    return all(answer is not None and "x-changed" in answer.headers for answer in answers)


def _has_index(place: _Place) -> bool:
    table = place.aws("dynamodb").describe_table(TableName=place.outputs[_APP]["table"])["Table"]
    return any(index["IndexName"] == "by-id" for index in table.get("GlobalSecondaryIndexes", []))


def _has_schedule(place: _Place) -> bool:
    pages = place.aws("events").get_paginator("list_rules").paginate()
    return any(rule.get("ScheduleExpression") == "rate(7 hours)" for page in pages for rule in page["Rules"])


def _has_mail(place: _Place) -> bool:
    """Subscribe a new reader, wait for the mail, and return whether it has the new text."""
    reader = f"reader{time.monotonic_ns()}@example.com"
    place.http.post(f"{place.outputs['blog-app']['api']}/subscribers", json={"email": reader})
    mails = f"{place.outputs['console']}/mails.json"
    while not (found := [mail for mail in place.http.get(mails).json() if reader in mail["To"]]):
        time.sleep(_PAUSE)
    return "Welcome, and thanks!" in json.dumps(found)


def _has_package(place: _Place) -> bool:
    file = place.health()
    return "pybreaker" in file and "site-packages" not in file


def _is_told(error: str) -> _Seen:
    """Whether the log names file, line and error while the app goes on. For `chalice local`, whether it ends."""

    def seen(place: _Place) -> bool:
        health = place.health()
        if not place.outputs:
            return not health
        if not health or health.isdecimal():
            raise RuntimeError(f"broken code took the app down: {health}")
        told = rf"{_APP}/app.py, line \d+: {error}"
        return any(app == _APP and re.search(told, outcome) for app, outcome in place.lines[-1:])

    return seen


_KINDS = (
    _Kind("a line of a handler", _says('"line"'), _answers("line"), peer=True),
    _Kind(
        "a line of `common/`, until all five apps have it",
        _replace("common/rest.py", _HEADER, f'{_HEADER}        response.headers["X-Changed"] = "1"\n'),
        _everywhere,
        peer=True,
        apps=5,
    ),
    _Kind("a new route", _append(_CODE, _ROUTE), _has_route, peer=True),
    _Kind("a removed route", _replace(_CODE, _ROUTE, ""), _has_no_route, peer=True),
    _Kind(
        "a new module",
        _all(_write(f"{_LIB}/one.py", 'TEXT = "one"\n'), _says(_MODULE.format("one"))),
        _answers("one"),
        peer=True,
    ),
    _Kind(
        "a renamed module",
        _all(_write(f"{_LIB}/two.py", 'TEXT = "two"\n'), _remove(f"{_LIB}/one.py"), _says(_MODULE.format("two"))),
        _answers("two"),
        peer=True,
    ),
    _Kind("a deleted module", _all(_says('"none"'), _remove(f"{_LIB}/two.py")), _answers("none"), peer=True),
    _Kind(
        "20 files saved at once",
        _all(_many(19, f"{_LIB}/saved_{{}}.py"), _says('"20 files"')),
        _answers("20 files"),
        peer=True,
    ),
    _Kind(
        "a syntax error, until the log has file, line and error",
        _append(_CODE, _BROKEN),
        _is_told("SyntaxError"),
        peer=True,
        breaks=True,
    ),
    _Kind("the error is mended", _all(_replace(_CODE, _BROKEN, ""), _says('"mended"')), _answers("mended")),
    _Kind(
        "an import that fails, until the log has file, line and error",
        _append(_CODE, _MISSING),
        _is_told("ModuleNotFoundError"),
        peer=True,
        breaks=True,
    ),
    _Kind("the import is mended", _all(_replace(_CODE, _MISSING, ""), _says('"again"')), _answers("again")),
    _Kind(
        "a page",
        _replace(f"{_APP}/web/index.html", "<title>", "<title>Changed: "),
        _shows(_APP, "web", "/", "<title>Changed: "),
    ),
    _Kind(
        "a stylesheet that four sites share",
        _append("web/app.css", "\n/* changed */\n"),
        _shows(_APP, "web", "/shared/app.css", "/* changed */"),
        apps=4,
    ),
    _Kind(
        "a `.sql` of a report",
        _replace("pipeline-app/chalicelib/reports/hourly.sql", "-- title: ", "-- title: Changed: "),
        _shows("pipeline-app", "api", "/reports", "Changed: "),
    ),
    _Kind(
        "a template of a mail, until a mail has it",
        _replace("blog-app/chalicelib/mails/welcome.txt", "Welcome, and thank you", "Welcome, and thanks! You"),
        _has_mail,
    ),
    _Kind(
        "a new action in a policy",
        _replace(f"{_APP}/.chalice/policies/api-handler.json", _POLICY, _POLICY + _ALLOWED),
        _answers("True"),
        before=(_says(_LIST_TABLES), 1),
    ),
    _Kind("an index of a table", _replace(f"{_APP}/resources.yaml", _BEFORE_INDEX, _INDEX + _BEFORE_INDEX), _has_index),
    _Kind(
        "a setting: an environment variable of a function",
        _replace(f"{_APP}/merge.yaml", _VARIABLE, f"{_VARIABLE}          GREETING: hello\n"),
        _answers("hello"),
        before=(_says('__import__("os").environ.get("GREETING", "none")'), 1),
    ),
    _Kind(
        "a schedule with its policy",
        _all(
            _append(_CODE, _SCHEDULE[0]),
            _replace(
                f"{_APP}/.chalice/config.json",
                _SCHEDULE[1],
                f"{_SCHEDULE[1]}, {_SCHEDULE[1].replace('api_handler', 'sometimes')}",
            ),
        ),
        _has_schedule,
    ),
    _Kind("a package, from the network", _all(_require, _says('__import__("pybreaker").__file__')), _has_package),
    _Kind(
        "another branch, with 40 files",
        _git("checkout", _BRANCH),
        _answers("branch"),
        peer=True,
        apps=2,
        before=(_all(_git("checkout", "--force", "HEAD"), _git("clean", "--force")), 5),
    ),
)


# The run


def run() -> None:
    """Print a line for each kind of change, and what became of the requests under load."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the context managers stop what they started
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        own, other = (_clone(Path(folder) / name) for name in ("sandbox", "local"))
        sandbox, environment = stack.enter_context(_sandbox(own))
        stages = f"{_LIB}/stages"
        shutil.copytree(own / stages, other / stages)
        print("| change | sandbox | `chalice local` |\n|---|--:|--:|", flush=True)
        for kind in _KINDS:
            taken, deployments = _deployed(kind, sandbox)
            beside = _beside(kind, other, environment)
            more = "" if deployments == kind.apps else f" ({deployments} deployments)"
            print(f"| {kind.title}{more} | {_in_words(taken)} | {beside} |", flush=True)
        print(f"\n{_under_load(sandbox)}")


def _in_words(seconds: float | None) -> str:
    return "not seen" if seconds is None else f"{seconds:.1f} s"


def _deployed(kind: _Kind, sandbox: _Place) -> tuple[float | None, int]:
    """Return the seconds from the save to what is seen, and how many deployments followed."""
    if kind.before:
        save, deployments = kind.before
        deployments += len(sandbox.lines)
        save(sandbox.root)
        sandbox.settle(deployments)
    known = len(sandbox.lines)
    taken = _measured(kind, sandbox, _LONGEST)
    sandbox.settle(known + kind.apps)
    return taken, len(sandbox.lines) - known


def _beside(kind: _Kind, root: Path, environment: Mapping[str, str]) -> str:
    """Save the same below *root*; return what it takes `chalice local`."""
    if kind.before:
        kind.before[0](root)
    if not kind.peer:
        kind.save(root)
        return ""
    with _chalice_local(root, environment) as local:
        taken = _measured(kind, local, _LONGEST_OF_PEER)
    return "its server ends" if kind.breaks and taken is not None else _in_words(taken)


def _measured(kind: _Kind, place: _Place, longest: float) -> float | None:
    """Save the change; return the seconds until it is seen, or None."""
    began = time.monotonic()
    kind.save(place.root)
    while not kind.seen(place):
        if time.monotonic() - began > longest:
            return None
        time.sleep(_PAUSE)
    return time.monotonic() - began


def _under_load(sandbox: _Place) -> str:
    """Save a handler's line five times while clients send requests; return what they got."""
    answers: list[str] = []
    ended = threading.Event()

    def send() -> None:
        client = replace(sandbox, http=httpx.Client(timeout=60))
        while not ended.is_set():
            answers.append(client.health())

    texts = [f"reload {number}" for number in range(_RELOADS)]
    with ThreadPoolExecutor(_CLIENTS) as pool:
        clients = [pool.submit(send) for _ in range(_CLIENTS)]
        for number, text in enumerate(texts, 1):
            known = len(sandbox.lines)
            _says(f'"{text}"')(sandbox.root)
            sandbox.settle(known + 1)
            while len(answers) < _REQUESTS * number / _RELOADS:
                time.sleep(_PAUSE)
        ended.set()
        for each in clients:
            each.result()
    failed = [answer for answer in answers if answer not in (*texts, "branch")]
    seen = len(set(answers) & set(texts))
    return f"{len(answers)} requests of {_CLIENTS} clients met {seen} reloads: {len(failed)} failed {set(failed) or ''}"


# The clones, and what runs in them


def _clone(root: Path) -> Path:
    """Clone the last commit, with a branch that changes 40 files."""
    clones.clone(root)
    _all(
        *(_git("checkout", "-b", _BRANCH), _BRANCH_FILES, _git("add", "."), _git("commit", "--message", "A branch")),
        _git("checkout", "-"),
    )(root)
    return root


@contextlib.contextmanager
def _sandbox(root: Path) -> Iterator[tuple[_Place, dict[str, str]]]:
    """Run the sandbox of a clone until the block ends; the value has the variables that point to it."""
    with clones.sandbox(root, RELOAD="1") as (outputs, environment):
        yield _Place(root, outputs[_APP]["api"], outputs), environment


@contextlib.contextmanager
def _chalice_local(root: Path, environment: Mapping[str, str]) -> Iterator[_Place]:
    """Run `chalice local` on the app of a clone until the block ends. It starts a process, which serves."""
    port = find_free_port()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("chalice"), "local", "--stage", "local", "--port", str(port)],
        cwd=root / _APP,
        env=os.environ | dict(environment) | {"STAGE": "local"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    local = _Place(root, f"http://127.0.0.1:{port}")
    try:
        while not local.health():
            if process.poll() is not None:
                raise RuntimeError(f"chalice local ended with status {process.returncode}")
            time.sleep(_PAUSE)
        yield local
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
