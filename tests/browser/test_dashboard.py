"""The pipeline's dashboard: with devices that send, and in states that are hard to cause in a sandbox."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from page_server import serve_page
from phone import PHONE, fits
from pipeline_stub import API, FILES, Pipeline, day
from playwright.sync_api import Locator, Page, expect

from sandbox.settings import ROOT

MINUTE = 60_000

type Open = Callable[..., Page]


@pytest.fixture(scope="module")
def site(free_port: Callable[[], int]) -> Iterator[str]:
    """Serve the page for an API that does not exist. Yield its URL."""
    with serve_page("pipeline-app", free_port(), {"api": API}) as url:
        yield url


@pytest.fixture
def open_dashboard(new_page: Callable[..., Page]) -> Open:
    """Return a function that opens the page at *url*, with *pipeline* as its API."""

    def open_dashboard(url: str, pipeline: Pipeline | None = None, **options: Any) -> Page:
        page = new_page(**options)
        if pipeline:
            page.clock.install()
            page.route(f"{API}/**", pipeline.answer)
        page.goto(url)
        return page

    return open_dashboard


def live(page: Page) -> Page:
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    return page


def devices(page: Page) -> Locator:
    return page.get_by_role("list", name="Devices").get_by_role("button")


def choose(page: Page, name: str) -> None:
    page.get_by_text(name, exact=True).click()


def test_readings_are_on_the_dashboard_within_90_seconds_of_the_first_message(
    open_dashboard: Open, sandbox: dict[str, Any], tmp_path: Path
) -> None:
    outputs = sandbox["pipeline-app"]
    command = [sys.executable, "-m", "tools.simulate", outputs["iot_policy"], "--name", "shown"]
    broker = ["--endpoint", outputs["iot_endpoint"], "--ca", outputs["iot_ca"], "--keys", str(tmp_path)]
    done = subprocess.run(
        [*command, *broker, "--devices", "3", "--rate", "30", "--count", "90"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "pipeline-app")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = open_dashboard(outputs["dashboard"])

    page.get_by_label("Devices whose name begins with").fill("shown-")
    expect(devices(page)).to_have_count(3, timeout=90_000)
    devices(page).last.click()
    expect(page.get_by_role("heading", name="shown-0003")).to_be_visible()
    choose(page, "temperature")  # the page draws a metric with an alert first
    choose(page, "24 hours")
    expect(page.get_by_role("img", name=re.compile("temperature of shown-0003.*1 hour of"))).to_be_visible(
        timeout=90_000
    )
    expect(page.get_by_text("Every record is accounted for")).to_be_visible(timeout=90_000)
    expect(page.get_by_role("row", name="Readings of each hour hourly").get_by_text("kB")).to_be_visible()


def test_without_devices_every_part_says_that_it_is_empty(open_dashboard: Open, site: str) -> None:
    page = live(open_dashboard(site, Pipeline(0)))

    for words in ("No device has sent anything yet", "No alerts yet", "No quality report yet"):
        expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("img")).to_be_hidden()
    expect(page.get_by_role("row", name="hourly").get_by_text("not yet")).to_be_visible()


def test_ten_thousand_devices_come_page_by_page_and_by_name(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(10_000)
    page = live(open_dashboard(site, pipeline))

    expect(devices(page)).to_have_count(50)
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()
    page.get_by_role("button", name="Next").click()
    expect(devices(page).first).to_contain_text("pump-00051")
    page.clock.run_for(MINUTE)
    expect(devices(page).first).to_contain_text("pump-00051")
    page.get_by_role("button", name="Previous").click()
    expect(devices(page).first).to_contain_text("pump-00001")

    page.get_by_label("Devices whose name begins with").fill("pump-0999")
    page.clock.run_for(1000)
    expect(devices(page)).to_have_count(10)
    page.get_by_label("Devices whose name begins with").fill("valve")
    page.clock.run_for(1000)
    expect(page.get_by_text("No device's name begins with “valve”.")).to_be_visible()
    assert not any("limit=50" not in requested for requested in pipeline.requested if requested.startswith("/devices?"))


def test_a_metric_is_drawn_over_the_hours_of_a_day_and_shown_as_a_table(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(5)
    page = live(open_dashboard(site, pipeline))

    expect(page.get_by_role("img", name=re.compile("^temperature of pump-00001 over time"))).to_be_visible()
    choose(page, "7 days")
    chart = page.get_by_role("img", name=re.compile(r"\d+ hours of [\d,]+ readings: mean, minimum and maximum"))
    expect(chart).to_be_visible()
    assert chart.locator("canvas").evaluate(_DRAWN) > 2000
    choose(page, "A day")
    page.get_by_label("Day, UTC").fill(day(3))
    expect(page.get_by_role("img", name=re.compile("24 hours of 17,280 readings"))).to_be_visible()
    page.get_by_text("The hours as a table").click()
    row = page.get_by_role("row", name=f"{day(3)} 15:00")
    assert row.inner_text().split("\t") == [f"{day(3)} 15:00", "720", "48", "50", "53"]
    page.get_by_label("Day, UTC").fill("2014-01-31")
    expect(page.get_by_text("No readings in this time.")).to_be_visible()
    # A browser's log shows each 404, so a day without a report is not requested.
    assert not [request for request in pipeline.requested if "2014-01-31" in request]


_DRAWN = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let drawn = 0;
    for (let at = 3; at < data.length; at += 4) drawn += data[at] > 0;
    return drawn;
}"""


def test_the_outcomes_of_the_records_are_a_sum_and_a_gap_in_it_is_shown(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(5)
    page = live(open_dashboard(site, pipeline))

    quality = page.get_by_role("region", name="Quality")
    expect(quality).to_contain_text("99,434")
    expect(quality.get_by_text("Every record is accounted for: none is lost, none is counted twice.")).to_be_visible()
    reasons = quality.get_by_role("row")
    expect(reasons).to_have_text(
        [re.compile("Reason"), *map(re.compile, ("Not JSON.*41", "No ts.*17", "future.*9", "wrong value.*5"))]
    )
    pipeline.lost = 3
    page.clock.run_for(5000)
    expect(quality.get_by_text("3 records are not accounted for.")).to_be_visible()


def test_any_report_opens_as_a_table_whatever_its_columns(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(250)
    page = live(open_dashboard(site, pipeline))
    opener = page.get_by_role("button", name="Readings of each day")
    rows = page.get_by_role("group", name="Rows of the report").get_by_role("row")

    opener.click()
    report = page.get_by_role("group", name="Readings of each day")
    expect(rows).to_have_count(1 + 100)
    expect(opener).to_have_attribute("aria-expanded", "true")
    assert rows.nth(0).inner_text().split("\t") == ["device_id", "count", "mean", "first", "is_complete", "note"]
    shown = ["pump-00001", "17,280", "45.3", f"{day()} 00:00:05", "false", "<b>new</b>"]
    assert rows.nth(1).inner_text().split("\t") == shown
    assert rows.nth(2).inner_text().split("\t")[-1] == "\N{EN DASH}"
    expect(report.get_by_role("status")).to_contain_text("First 100 rows, made")

    for count in (200, 250):
        report.get_by_role("button", name="Show more rows").click()
        expect(rows).to_have_count(1 + count)
    expect(report.get_by_role("button", name="Show more rows")).to_be_hidden()
    page.clock.run_for(5000)
    expect(rows).to_have_count(1 + 250)

    report.get_by_label("Period").select_option(day(3))
    expect(rows.nth(1)).to_contain_text(f"{day(3)} 00:00:05")
    expect(rows).to_have_count(1 + 100)
    page.get_by_role("button", name="What became of the records").click()
    report = page.get_by_role("group", name="What became of the records")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("not_json 41, missing_ts 17")
    report.get_by_role("button", name="Close").click()
    expect(report).to_be_hidden()
    expect(page.get_by_role("button", name="What became of the records")).to_be_focused()


def test_a_report_is_saved_as_a_file(open_dashboard: Open, site: str) -> None:
    page = live(open_dashboard(site, Pipeline(5)))
    headers = {"Content-Disposition": 'attachment; filename="daily.csv"'}
    page.route(f"{FILES}/**", lambda route: route.fulfill(headers=headers, body="device_id\npump-00001\n"))
    page.get_by_role("button", name="Readings of each day").click()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()

    assert download.value.suggested_filename == "daily.csv"
    assert download.value.url == f"{FILES}/reports/daily/download"
    expect(page.get_by_role("group", name="Readings of each day")).to_be_visible()


def test_the_choices_of_the_reader_are_in_the_address(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(50)
    page = live(open_dashboard(site, pipeline))
    page.get_by_label("Devices whose name begins with").fill("pump-0000")
    page.clock.run_for(1000)
    devices(page).nth(4).click()
    choose(page, "pressure")
    choose(page, "A day")
    page.get_by_label("Day, UTC").fill(day(3))
    page.get_by_label("Arrived on").select_option(day(2))
    page.get_by_role("button", name="Readings of each day").click()
    page.get_by_label("Period").select_option(day(4))

    expect(page).to_have_url(re.compile(f"{day(4)}"))

    again = live(open_dashboard(page.url, pipeline))

    expect(devices(again)).to_have_count(9)
    expect(again.get_by_role("heading", name="pump-00005")).to_be_visible()
    expect(again.get_by_role("radio", name="pressure")).to_be_checked()
    expect(again.get_by_label("Day, UTC")).to_have_value(day(3))
    expect(again.get_by_label("Arrived on")).to_have_value(day(2))
    rows = again.get_by_role("group", name="Rows of the report").get_by_role("row")
    expect(rows.nth(1)).to_contain_text(f"{day(4)} 00:00:05")

    page.get_by_label("Devices whose name begins with").fill("")
    page.clock.run_for(1000)
    page.get_by_role("group", name="Time to draw").get_by_text("Live").click()
    page.get_by_label("Arrived on").select_option(day())
    page.get_by_role("button", name="Close").click()
    expect(page).to_have_url(re.compile(r"\?device=pump-00005&metric=pressure$"))


def test_a_report_without_rows_says_so(open_dashboard: Open, site: str) -> None:
    page = live(open_dashboard(site, Pipeline(0)))

    page.get_by_role("button", name="Readings of each day").click()

    expect(page.get_by_text("No rows yet.")).to_be_visible()


def test_older_alerts_are_loaded_and_one_leads_to_its_device(open_dashboard: Open, site: str) -> None:
    page = live(open_dashboard(site, Pipeline(200, alerts=120)))
    alerts = page.get_by_role("list", name="Alerts, newest first").get_by_role("listitem")

    expect(alerts).to_have_count(50)
    page.get_by_role("button", name="Load more").click()
    expect(alerts).to_have_count(100)
    page.get_by_role("button", name="Load more").click()
    expect(alerts).to_have_count(120)
    expect(page.get_by_role("button", name="Load more")).to_be_hidden()
    expect(alerts.nth(2)).to_contain_text("Raised")
    expect(alerts.nth(2)).to_contain_text("temperature 81.3 °C, above 80 °C")
    alerts.nth(2).get_by_role("button", name="pump-00003").click()
    expect(page.get_by_role("heading", name="pump-00003")).to_be_visible()
    expect(devices(page).nth(2)).to_have_attribute("aria-pressed", "true")


def test_an_unchanged_response_is_not_sent_again(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(5)
    page = live(open_dashboard(site, pipeline))

    for _ in range(20):  # until the page has requested everything twice, however busy the machine is
        page.clock.run_for(5_000)
        page.wait_for_load_state("networkidle")
        if pipeline.unchanged:
            break

    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    assert pipeline.unchanged > 0


def test_a_hidden_page_requests_nothing(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(5)
    page = live(open_dashboard(site, pipeline))

    page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text("Paused")).to_be_visible()
    requested = len(pipeline.requested)
    page.clock.run_for(5 * MINUTE)
    assert len(pipeline.requested) == requested
    with page.expect_request(f"{API}/**"):
        page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'visible', configurable: true })")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    live(page)


def test_a_failing_service_and_its_recovery_are_shown(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(5)
    page = live(open_dashboard(site, pipeline))

    pipeline.down = True
    page.clock.run_for(5000)
    expect(page.get_by_text("Not reachable")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_text(
        "The service does not respond. The page tries again in a few seconds."
    )
    expect(devices(page)).to_have_count(5)
    pipeline.down = False
    page.clock.run_for(5000)
    live(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_the_keyboard_alone_finds_a_device_and_draws_another_metric(open_dashboard: Open, site: str) -> None:
    page = live(open_dashboard(site, Pipeline(5)))

    page.get_by_label("Devices whose name begins with").focus()
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="pump-00003")).to_be_visible()
    expect(devices(page).nth(2)).to_be_focused()
    expect(page.get_by_role("radio", name="temperature")).to_be_checked()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="temperature")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("img", name=re.compile("^vibration of pump-00003"))).to_be_visible()


def test_markup_in_a_name_is_only_text(open_dashboard: Open, site: str) -> None:
    pipeline = Pipeline(1)
    name = "<img src=x onerror=document.title='owned'>00001"
    pipeline.ids = [name]
    page = live(open_dashboard(site, pipeline))

    expect(devices(page)).to_contain_text(name)
    assert page.locator("main img").count() == 0
    assert page.title() == "Readings"


def test_on_a_phone_nothing_scrolls_sideways_and_everything_is_large_enough_to_touch(
    open_dashboard: Open, site: str
) -> None:
    page = live(open_dashboard(site, Pipeline(10_000, alerts=60), **PHONE))
    choose(page, "A day")
    expect(page.get_by_text("Every record is accounted for")).to_be_visible()
    page.get_by_role("button", name="Readings of each day").click()
    expect(page.get_by_role("group", name="Rows of the report").get_by_role("row")).to_have_count(101)

    fits(page, "dashboard")
    page.emulate_media(color_scheme="dark")
    paper = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert int(re.findall(r"\d+", paper)[0]) < 64


def test_the_dashboard_loads_nothing_from_other_hosts(site: str) -> None:
    html = httpx.get(site).text
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', html)

    assert policy
    assert "default-src 'none'; connect-src 'self' http://pipeline.test;" in policy[0]
    assert "://" not in html.replace(policy[0], "")
