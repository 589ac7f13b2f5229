"""`make soak MINUTES=10`: load on all systems of a sandbox of its own, faults, a restart, and then the books."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.own_sandbox import NotRun, OwnSandbox
from sandbox.settings import ROOT
from sandbox.soak import journal, load
from sandbox.soak.report import Soak, page, text

FOLDER = ROOT / ".soak"
"""The environment of locust, and what a run leaves."""
_REPORT = ROOT / "dist" / "soak.html"


def main() -> str | None:
    """Print the books and write the report. Return an error message if they do not balance."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of load, without the restart (%(default)g)")
    parser.add_argument("--users", type=int, default=12, help="of locust (%(default)d)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the context managers stop what they started
    try:
        soak = run(arguments.minutes * 60, arguments.users)
    except NotRun as error:
        return str(error)
    print(text(soak))
    _REPORT.parent.mkdir(exist_ok=True)
    _REPORT.write_text(page(soak))
    print(f"\nThe same with plots: {_REPORT.relative_to(ROOT)}")
    return " ".join(soak.problems) or None


def run(seconds: float, users: int) -> Soak:
    """Run the test for so many *seconds* of load. Raises NotRun."""
    folder = FOLDER / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sandbox = OwnSandbox(FOLDER / "sandbox", "soak", KEEP="1")
    print("The sandbox of the test starts.", flush=True)
    with sandbox.running():
        os.environ.update(sandbox.settings.environment)

        from sandbox.gameday.stage import Stage  # only here: boto3 reads the environment
        from sandbox.soak import alarms, audit, schedule

        alarms.wait_until_ok()
        stage, spans, began = Stage(sandbox.outputs), [], time.time()
        with _load(folder, sandbox, users):
            for span in schedule.play(stage, seconds, sandbox.restart):
                print(f"{span.name}: {span.ended - span.began:.0f} s", flush=True)
                spans.append(span)
        print("The load has ended. Failed messages are sent again, and the effects are counted.\n", flush=True)
        endpoint, operations = sandbox.settings.aws.endpoint, journal.read(folder / "journal.jsonl")
        held = audit.failures(endpoint)
        stage.settle()
        accounts = audit.Audit(sandbox.outputs, operations).accounts()
        raised = alarms.raised(alarms.changes(began), spans, lambda name: schedule.alarms(stage, name))
        return Soak(spans, accounts, held, audit.failures(endpoint), raised, load.read(folder / load.HISTORY))


@contextmanager
def _load(folder: Path, sandbox: OwnSandbox, users: int) -> Iterator[None]:
    """Let the clients run until the block ends. They end what they have begun. Raises NotRun if locust does not run."""
    log = folder / "locust.log"
    options = {"locustfile": Path(__file__).parent / "clients.py", "users": users, "spawn-rate": 2, "stop-timeout": 60}
    command = [str(FOLDER / "bin" / "locust"), "--headless", "--only-summary", "--csv", str(folder / "load")]
    command += ["--csv-full-history"]  # otherwise the times are those of the whole test, not of the last seconds
    command += [f"--{name}={value}" for name, value in options.items()]
    places = {"SOAK_OUTPUTS": str(sandbox.settings.outputs_file), "SOAK_JOURNAL": str(folder / "journal.jsonl")}
    environment = os.environ | places | {"PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        locust = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
        if locust.poll() is not None:
            raise NotRun(f"locust ended early. The end of {log}:\n{log.read_text()[-2000:]}")
    finally:
        locust.terminate()
        locust.wait()


if __name__ == "__main__":
    sys.exit(main())
