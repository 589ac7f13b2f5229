"""The suites of `suites.toml`, and running one against an AWS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


class Unusable(Exception):
    """A checkout or an environment that cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Suite:
    """Cases of one service. ``paths`` are relative to the checkout of ``origin``, "localstack" or "moto"."""

    name: str
    origin: str
    paths: list[str]
    used_for: str
    """What the six systems use the service for."""
    without: list[dict[str, str]] = field(default_factory=list)
    """Cases that no system needs or that cannot run here: ``{"cases": pattern, "because": reason}``."""
    seconds: int = 60
    """The time that a case may take."""
    workers: int = 2

    @property
    def slug(self) -> str:
        """Return the name for files and folders."""
        return re.sub("[^a-z0-9]+", "-", self.name.lower())

    @property
    def left_out(self) -> str:
        """The regular expression of the cases that are left out."""
        return "|".join(group["cases"] for group in self.without)


@dataclass(frozen=True)
class Result:
    """What one case showed. ``differences`` has the parts of answers that are not as recorded."""

    case: str
    outcome: str
    error: str
    differences: list[dict[str, str]]

    @property
    def verdict(self) -> str:
        """Return "equal", "accepts" (AWS refused), "late", "answer" (an answer differs), "other" or "skipped"."""
        if self.outcome == "skipped":
            return "skipped"
        if self.outcome == "passed":
            return "equal"
        if "DID NOT RAISE" in self.error:
            return "accepts"
        if "pytest-timeout" in self.error or self.error.startswith("Failed: Timeout"):
            return "late"
        return "answer" if self.error.startswith("SnapshotAssertionError") else "other"

    @property
    def equal_in_full(self) -> bool:
        """Whether even the parts are equal that the suite itself does not compare."""
        return self.outcome == "passed" and not self.differences


def load(file: Path = HERE / "suites.toml") -> list[Suite]:
    """Return all suites."""
    return [Suite(**suite) for suite in tomllib.loads(file.read_text())["suite"]]


def origin_of(checkout: Path) -> str:
    """Return "localstack" or "moto". Raises Unusable if *checkout* is neither."""
    for origin, mark in (("localstack", "tests/aws/services"), ("moto", "tests/test_dynamodb")):
        if (checkout / mark).is_dir():
            return origin
    raise Unusable(f"{checkout} is no checkout of localstack/localstack or getmoto/moto: AWS_CASES names such folders")


def python_of(origin: str, folder: Path) -> Path:
    """Return the interpreter that has the packages of *origin*, installed in *folder* on the first use."""
    environment, wanted = folder / origin, HERE / f"{origin}-requirements.txt"
    done = environment / "requirements.txt"
    if not done.exists() or done.read_text() != wanted.read_text():
        print(f"Installing the packages of {wanted.name} into {environment}", flush=True)
        subprocess.run(["python3", "-m", "venv", "--clear", environment], check=True)
        install: list[str | Path] = [
            environment / "bin" / "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        if subprocess.run([*install, "--require-hashes", "-r", wanted]).returncode:
            raise Unusable(f"The packages of {wanted} cannot be installed: see the lines above")
        done.write_text(wanted.read_text())
    return environment / "bin" / "python"


def run(suite: Suite, checkout: Path, python: Path, endpoint: str, folder: Path) -> dict[str, Result]:
    """Run the cases of *suite* against the AWS at *endpoint*; return the results by case."""
    port = endpoint.rsplit(":", 1)[1]
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ} | {
        "PARITY_OUT": str(folder),
        "PARITY_WITHOUT": suite.left_out,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    path = [str(HERE), str(checkout)]
    if suite.origin == "localstack":
        path.append(str(checkout / "localstack-core"))
        environment |= {
            "TEST_SKIP_LOCALSTACK_START": "1",
            "TEST_AWS_ENDPOINT_URL": endpoint,
            "LOCALSTACK_HOST": f"localhost:{port}",
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "LOCALSTACK_VOLUME_DIR": str(folder / "localstack"),
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
        }
    else:
        environment["MOTO_TEST_ALLOW_AWS_REQUEST"] = "true"
    options = ["-p", "pytest_cases", "-p", "no:cacheprovider", "-o", "addopts=", "-q", "--tb=no"]
    options += [f"--timeout={suite.seconds}", "--timeout-method=signal"]
    options += ["-n", str(suite.workers)] if suite.workers > 1 else []
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pytest.log").open("wb") as log:
        subprocess.run(
            [python, "-m", "pytest", *options, *suite.paths],
            cwd=checkout,
            env=environment | {"PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    if not (found := results(folder)):
        raise Unusable(f"No case of {suite.name} ran: see {folder / 'pytest.log'}")
    return found


def results(folder: Path) -> dict[str, Result]:
    """Return the results in *folder* by case; none if the suite has not run there."""
    return {result.case: result for result in _read(folder)}


def _read(folder: Path) -> Iterator[Result]:
    with ExitStack() as files:
        for file in sorted(folder.glob("*.jsonl")):
            for line in files.enter_context(file.open()):
                found = json.loads(line)
                yield Result(_case(found["id"]), found["outcome"], found["error"], found["differences"])


def _case(node_id: str) -> str:
    """Return the id of a case without what changes from run to run (addresses of objects, ports)."""
    return re.sub(r"0x[0-9a-f]+", "0x", node_id)
