from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chalice.test import Client

ROOT = Path(__file__).parent.parent.parent
REPORTS = ROOT / "pipeline-app" / "chalicelib" / "reports"
# The app reads its settings while it is imported.
os.environ |= {
    "STAGE": "unit",
    "STREAM": "pipeline-app-unit-readings",
    "INGESTION_BUCKET": "pipeline-app-unit-ingestion",
    "REPORTING_BUCKET": "pipeline-app-unit-reporting",
    "ATHENA_WORKGROUP": "pipeline-app-unit",
    "ATHENA_DATABASE": "pipeline_app_unit",
    "DEVICES_TABLE": "pipeline-app-unit-devices",
    "ALERTS_TABLE": "pipeline-app-unit-alerts",
    "ALERTS_STREAM_ARN": "arn:aws:dynamodb:us-east-1:000000000000:table/alerts/stream/2030-01-01T00:00:00.000",
    "REPORTS_TABLE": "pipeline-app-unit-reports",
    "BATCHES_QUEUE": "http://127.0.0.1:1/000000000000/pipeline-app-unit-batches",
    "FAILURES_QUEUE": "http://127.0.0.1:1/000000000000/pipeline-app-unit-failures",
    "SENDER": "alerts@pipeline.example",
    "ALERT_RECIPIENT": "operators@pipeline.example",
    "READS": "closed",
    "USER_POOL_ARN": "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_unit",
}

from device_memory import MemoryDevices  # noqa: E402
from report_memory import MemoryIndex, MemoryStore  # noqa: E402

import app  # noqa: E402
from chalicelib import wiring  # noqa: E402
from chalicelib.devices import Devices, Rule  # noqa: E402
from chalicelib.report_views import ReportViews  # noqa: E402
from chalicelib.reports import Report, load  # noqa: E402


@pytest.fixture
def device_store() -> MemoryDevices:
    return MemoryDevices()


@pytest.fixture
def devices(device_store: MemoryDevices) -> Devices:
    return Devices(device_store, [Rule(metric="temperature", unit="C", raise_above=80, clear_below=75)])


@pytest.fixture
def fixed_reports(tmp_path: Path) -> Path:
    """A folder with the two reports whose names and rows are fixed, whatever other reports the app has."""
    for name in ("hourly", "quality"):
        shutil.copy(REPORTS / f"{name}.sql", tmp_path)
    return tmp_path


@pytest.fixture
def reports(fixed_reports: Path) -> dict[str, Report]:
    return load(fixed_reports)


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def reruns() -> list[tuple[str, list[str]]]:
    """The reports and periods that the API was asked to run again."""
    return []


@pytest.fixture
def client(
    devices: Devices,
    reports: dict[str, Report],
    index: MemoryIndex,
    store: MemoryStore,
    reruns: list[tuple[str, list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Client]:
    class Queue:
        def request_rerun(self, report: str, periods: list[str]) -> None:
            reruns.append((report, periods))

    monkeypatch.setattr(wiring, "devices", lambda: devices)
    monkeypatch.setattr(wiring, "report_views", lambda: ReportViews(reports, index, store))
    monkeypatch.setattr(wiring, "batch_queue", Queue)
    with Client(app.app, stage_name="unit", project_dir=str(ROOT / "pipeline-app")) as client:
        yield client
