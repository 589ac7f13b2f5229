"""The cold start of each function, beside the least that one with Chalice and the same clients can take.

Each is a fresh process with the files of the app's zip. It imports the app, and builds what the function needs for its
usual event. The limit imports Chalice from the same zip and boto3, and makes the same clients. Figures are CPU time,
of which a function gets the more, the more memory it has.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import zips
from bench.row import Row, turns

_ROUNDS = 5
_BINDS = (
    "What the app imports beside Chalice and boto3. Of these imports of the blog's publisher, Jinja takes 56 %, the "
    "app's own modules 28 %, and msgspec 10 %. `python -X importtime` names each: "
    "`PYTHONPATH=FOLDER python -X importtime -c 'import app'` in a folder with the unpacked zip."
)

FUNCTIONS: dict[str, dict[str, str]] = {
    "todo-app": {"api_handler": "todos"},
    "blog-app": {
        "api_handler": "posts",
        "make_thumbnails": "photos",
        "publish_photo": "publisher",
        "publish_posts": "publisher",
        "publish_regularly": "publisher",
        "welcome_subscribers": "subscriber_stream",
        "sweep_welcome_mails": "welcome",
        "handle_mail_events": "welcome",
    },
    "video-app": {"api_handler": "catalogue", "generate_links": "links", "publish_purchases": "payment_stream"},
    "pipeline-app": {
        "api_handler": "report_views",
        "cleanse": "cleansing",
        "track_devices": "tracking",
        "mail_alerts": "alert_stream",
        "run_reports": "report_batches",
        "redeliver": "redelivery",
    },
    "receipts-app": {"api_handler": "receipts", "send_receipts": "receipts"},
}
"""What each function builds for its usual event: a function of the app's `wiring`."""

_APP = "import app; from chalicelib import wiring; wiring.{built}()"
_LIMIT = "import chalice, boto3; [boto3.client(each) for each in {services}]"
_TIMED = "{statement}; import time; print(time.process_time() * 1000)"
_SERVICES = """
import boto3
made, services = boto3.client, []
boto3.client = lambda service, **options: services.append(service) or made(service, **options)
{statement}
print(*services)
"""


def rows() -> Iterator[Row]:
    """Yield a row for each function; those that build the same are one row."""
    for app, functions in FUNCTIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            zips.unpacked(app, Path(folder))
            for built in dict.fromkeys(functions.values()):
                names = ", ".join(name for name, its in functions.items() if its == built)
                yield _row(f"cold start of {app}: {names}", Path(folder), _APP.format(built=built))


def _row(what: str, folder: Path, statement: str) -> Row:
    services = _run(folder, _SERVICES.format(statement=statement)).split()
    here, limit = turns(
        _ROUNDS,
        partial(_milliseconds, folder, statement),
        partial(_milliseconds, folder, _LIMIT.format(services=services)),
    )
    peer = f"Chalice, boto3 and its clients ({', '.join(services)})"
    return Row(what, here, peer, limit, "CPU ms", at_most=1.25, binds=_BINDS, short="todo-app" in what)


def _milliseconds(folder: Path, statement: str) -> float:
    return float(_run(folder, _TIMED.format(statement=statement)))


def _run(folder: Path, program: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, cwd=folder, capture_output=True, text=True
    )
    return done.stdout
