"""Reports and devices, through the generated Python client: `pipeline_journey.py API ACCESS_KEY`."""

import datetime
import sys

from pipeline_app_client import AuthenticatedClient
from pipeline_app_client.api.default import get_device, get_report, get_status, list_devices, list_reports, run_report
from pipeline_app_client.models import Error, PageDeviceView, ReportList, RerunRequest, Status
from signed import Signed


def main(api: str, access_key: str) -> None:
    client = AuthenticatedClient(
        api, token="", raise_on_unexpected_status=True, httpx_args={"auth": Signed(access_key)}
    )

    reports = list_reports.sync(client=client)
    assert isinstance(reports, ReportList)
    assert {"hourly", "quality"} <= {each.name for each in reports.items}
    assert isinstance(get_status.sync(client=client), Status)
    devices = list_devices.sync(client=client, prefix="there is none", limit=1)
    assert isinstance(devices, PageDeviceView)
    assert devices.items == []

    for missing in (
        get_device.sync("there is none", client=client),
        get_report.sync("hourly", client=client, period="1980-01-01"),
        run_report.sync("none", client=client, body=RerunRequest(period=datetime.date(1980, 1, 1))),
    ):
        assert isinstance(missing, Error)
        assert missing.code == "NotFound"
    wrong = run_report.sync("hourly", client=client, body=RerunRequest())
    assert isinstance(wrong, Error)
    assert "period" in wrong.message
    wanted = RerunRequest(from_=datetime.date(1980, 1, 1), to=datetime.date(1980, 1, 2))
    assert run_report.sync_detailed("hourly", client=client, body=wanted).status_code == 202


if __name__ == "__main__":
    main(*sys.argv[1:])
