"""Execution environments that are forked: what they have in common with a new process of Python, and their ends."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import six
from ministack.core import lambda_runtime

from localaws.lambda_ import cold_starts, forked_environments
from localaws.lambda_.forked_environments import Environment
from localaws.testing import eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="environments are forked on Linux only")

LOOK = """
import gc, os, random, resource, signal, ssl, sys, threading, time, uuid, warnings
import boto3

def process(event, context):
    main = sys.modules["__main__"]
    with open("/proc/self/cmdline") as file:
        command = file.read().rstrip("\\0").split("\\0")
    return {
        "command": command, "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": list(sys.flags),
        "main": [main.__file__, main is sys.modules["__mp_main__"]],
        "folder": os.getcwd(), "variables": dict(os.environ), "files": sorted(os.listdir("/proc/self/fd")),
        "group": [os.getpgid(0), os.getsid(0)], "mask": os.umask(0o22),
        "signals": [str(signal.getsignal(each)) for each in sorted(signal.valid_signals())],
        "limits": [resource.getrlimit(getattr(resource, each)) for each in dir(resource) if each.startswith("RLIMIT_")],
        "threads": [threading.current_thread().name, threading.active_count()],
        "collector": [gc.isenabled(), gc.get_threshold()],
        "warnings": str(warnings.filters), "recursion": sys.getrecursionlimit(), "zone": time.tzname,
        "streams": [
            [type(each).__name__, each.name, each.encoding, each.errors, each.line_buffering, each.seekable()]
            for each in (sys.__stdin__, sys.__stdout__, sys.__stderr__)
        ],
    }

def random_values(event, context):
    return [random.random(), str(uuid.uuid4()), os.urandom(8).hex(), ssl.RAND_bytes(8).hex()]

def memory(event, context):
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Private_Dirty:"))

def parent(event, context):
    return os.getppid()

def leave(event, context):
    os._exit(3)

def endpoints(event, context):
    return boto3.Session().get_available_regions("s3")

def wait(event, context):
    print(os.getpid(), os.getppid(), file=sys.stderr, flush=True)
    time.sleep(600)
"""


def zipped(files: dict[str, str]) -> bytes:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
    return code.getvalue()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """The function that makes an environment with *files*, `LOOK` by default, and a handler."""
    monkeypatch.setattr(lambda_runtime, "_PYTHON_WORKER_SCRIPT", lambda_runtime._PYTHON_WORKER_SCRIPT)
    made = []

    def environment(handler: str, files: dict[str, str] | None = None, **variables: str) -> Any:
        config = {
            "FunctionName": "f",
            "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "Runtime": "python3.13",
            "Handler": handler,
            "Timeout": 90,
            "Environment": {"Variables": variables},
        }
        made.append(lambda_runtime.Worker("f", config, zipped(files or {"app.py": LOOK})))
        return made[-1]

    yield environment
    lambda_runtime.kill_workers(made)


@pytest.fixture
def forking(environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environments are forked where they can be."""
    monkeypatch.setattr(lambda_runtime, "subprocess", subprocess)  # is restored
    cold_starts.apply()
    forked_environments.apply()


def is_forked(worker: Any) -> bool:
    return type(worker._proc) is Environment


def result(worker: Any) -> Any:
    answer = worker.invoke({}, "1")
    assert answer["status"] == "ok", answer
    return answer["result"]


def test_the_emulator_starts_a_process_for_each_environment(environment: Any) -> None:
    assert result(environment("app.parent")) == os.getpid(), (
        "ministack no longer needs localaws/lambda_/forked_environments.py; delete it"
    )


def test_a_forked_environment_is_like_a_new_process(environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cold_starts.apply()
    new = environment("app.process", A="é", B="")
    expected = result(new)
    monkeypatch.setattr(lambda_runtime, "subprocess", subprocess)
    forked_environments.apply()
    forked = environment("app.process", A="é", B="")
    found = result(forked)

    assert is_forked(forked)
    found["variables"]["AWS_LAMBDA_LOG_STREAM_NAME"] = expected["variables"]["AWS_LAMBDA_LOG_STREAM_NAME"]
    for name, value in expected.items():
        assert repr(found[name]).replace(forked._tmpdir, new._tmpdir) == repr(value), name


@pytest.mark.usefixtures("forking")
def test_forked_environments_have_random_values_of_their_own(environment: Any) -> None:
    values = [result(environment("app.random_values")) for _ in range(2)]

    assert not set(values[0]) & set(values[1])


@pytest.mark.usefixtures("forking")
def test_forked_environments_share_the_memory_of_boto3(environment: Any) -> None:
    alone, forked = environment("app.memory", TZ="UTC"), environment("app.memory")

    assert result(forked) < result(alone) / 2
    assert is_forked(forked)
    assert not is_forked(alone)
    assert "eu-west-1" in result(environment("app.endpoints"))


HIDING = "def handler(event, context):\n    import {0}\n    return {0}.__file__\n"
SIX = Path(six.__file__).read_text()


@pytest.mark.usefixtures("forking")
@pytest.mark.parametrize(
    ("name", "files", "forks"),
    [
        ("six", {}, True),
        ("six", {"six.py": SIX}, True),
        ("six", {"six.py": SIX + "\n"}, False),
        ("botocore", {"botocore/__init__.py": ""}, False),
        ("six", {"packages/six.py": ""}, False),  # which code can add to its path
        ("csv", {"csv.py": ""}, False),
        ("csv", {"package/csv.py": ""}, True),
        ("email", {"email/welcome.txt": "hello"}, True),
        ("awscrt", {"awscrt/__init__.py": ""}, False),  # botocore uses it if it is there
    ],
)
def test_a_function_gets_its_own_module_instead_of_one_that_is_imported(
    environment: Any, name: str, files: dict[str, str], forks: bool
) -> None:
    code = HIDING.format(name)
    if "packages/six.py" in files:
        code = f"import sys\nsys.path.insert(0, 'packages')\n{code}"
    worker = environment("app.handler", files | {"app.py": code})
    file = result(worker)

    assert is_forked(worker) is forks
    if not forks:
        assert file.endswith(next(iter(files)))


@pytest.mark.usefixtures("forking")
def test_an_environment_with_another_program_or_another_start_is_a_new_process(
    environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = environment("app.process", TZ="Asia/Tokyo")
    assert result(zone)["zone"] == ["JST", "JST"]
    assert not is_forked(zone)

    program = f"import os; os.environ['B'] = 'b'\n{lambda_runtime._PYTHON_WORKER_SCRIPT}"
    monkeypatch.setattr(lambda_runtime, "_detect_runtime_binary", lambda runtime: (sys.executable, program))
    debugged = environment("app.process")
    assert result(debugged)["variables"]["B"] == "b"
    assert not is_forked(debugged)


@pytest.mark.usefixtures("forking")
def test_the_exit_status_is_that_of_a_process(environment: Any) -> None:
    left, ended, killed = environment("app.leave"), environment("app.parent"), environment("app.parent")
    for each in (left, ended, killed):
        lambda_runtime.ensure_spawned(each)
    left_process, ended_process, killed_process = left._proc, ended._proc, killed._proc

    assert left.invoke({}, "1")["error"] == "Worker process died"
    assert left_process.wait(90) == 3
    assert ended_process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        ended_process.wait(0)
    ended_process.terminate()
    assert ended_process.wait(90) == -signal.SIGTERM
    killed_process.kill()
    assert killed_process.wait() == killed_process.poll() == -signal.SIGKILL
    killed_process.kill()  # a second time does nothing
    assert result(killed), "it starts again"


EMULATOR = f"""
import os, signal, sys, threading
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from localaws.lambda_ import forked_environments
from localaws.tests.test_forked_environments import zipped
from ministack.core import lambda_runtime
forked_environments.apply()
arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
config = {{"FunctionName": "f", "FunctionArn": arn, "Runtime": "python3.13", "Handler": "app.wait", "Timeout": 90}}
worker = lambda_runtime.Worker("f", config, zipped({{"app.py": {LOOK!r}}}))
lambda_runtime.ensure_spawned(worker)
threading.Thread(target=worker.invoke, args=({{}}, "1"), daemon=True).start()
print(worker._stderr_queue.get(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_environment_at_work_ends_when_the_emulator_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", EMULATOR], stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout
        processes = list(map(int, emulator.stdout.readline().split()))

    assert emulator.returncode == -signal.SIGKILL
    assert len(processes) == 2, "that of the environment, and that from which it was forked"
    assert eventually(lambda: not any(map(is_at_work, processes)))


def is_at_work(process: int) -> bool:
    """Return whether the process runs. One that has ended may wait for what reaps it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.usefixtures("forking")
def test_without_the_template_environments_are_new_processes(environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    template = forked_environments.Template()
    monkeypatch.setattr(forked_environments, "_template", lambda: template)
    first = environment("app.parent")
    assert result(first) == template._process.pid
    forked = first._proc
    template._process.kill()
    template._process.communicate()

    assert forked.wait(90) == -signal.SIGKILL
    assert eventually(lambda: not is_at_work(forked.pid))
    assert result(first) == os.getpid()
    monkeypatch.setattr(forked_environments, "_PROGRAM", Path("no such file"))
    with pytest.raises(OSError, match="no such file"):
        forked_environments.Template()
