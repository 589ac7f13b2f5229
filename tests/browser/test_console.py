"""The sandbox's console as a developer uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from phone import PHONE, fits
from playwright.sync_api import Page, expect
from users import PASSWORD, User, anonymous


@pytest.fixture
def console(open_page: Callable[..., Page]) -> Page:
    page = open_page("console", permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_text("Live")).to_be_visible()
    return page


def until_copied(console: Page, text: str) -> None:
    """Return when the clipboard has the text: the page writes it after the click has ended."""
    console.wait_for_function("async (text) => (await navigator.clipboard.readText()) === text", arg=text)


def test_each_app_is_listed_with_its_addresses_and_sign_ins_that_work(console: Page, sandbox: dict[str, Any]) -> None:
    apps = [name for name, values in sandbox.items() if isinstance(values, dict)]
    cards = console.get_by_role("list", name="Systems").locator("> li")
    expect(cards).to_have_count(len(apps))
    for name in apps:
        expect(cards.filter(has=console.get_by_text(name, exact=True))).to_contain_text("Ready")
    card = cards.filter(has=console.get_by_role("heading", name="MyTodoList"))
    expect(card).to_contain_text("Try now")
    expect(card.get_by_role("link").first).to_have_attribute("href", sandbox["todo-app"]["web"])
    card.get_by_role("button", name="Copy the address of api").click()
    until_copied(console, sandbox["todo-app"]["api"])
    for text in ("ann@example.com", PASSWORD):
        card.get_by_role("button", name=f"Copy {text}").click()
        until_copied(console, text)

    with console.expect_popup() as popup:
        card.get_by_role("link").first.click()
    popup.value.get_by_label("Email").fill("ann@example.com")
    popup.value.get_by_label("Password", exact=True).fill(PASSWORD)
    popup.value.get_by_role("button", name="Sign in").click()
    expect(popup.value.get_by_role("checkbox").first).to_be_visible()


def test_a_new_mail_appears_and_keeps_focus_and_selection(console: Page, sandbox: dict[str, Any], email: str) -> None:
    first = console.get_by_role("listitem").filter(has_text=email)
    expect(first).to_have_count(1)
    code = first.locator("code").inner_text()
    copy = first.get_by_role("button", name=f"Copy the code {code}")
    copy.click()
    until_copied(console, code)
    console.evaluate("getSelection().selectAllChildren(document.querySelector('#mailbox strong'))")
    selected = console.evaluate("getSelection().toString()")

    cognito = anonymous("cognito-idp", sandbox["endpoint"])
    cognito.forgot_password(ClientId=sandbox["todo-app"]["user_pool_client_id"], Username=email)
    mails = console.get_by_role("list", name="Emails, newest first").locator("> li")
    expect(mails.filter(has_text=email)).to_have_count(2)
    expect(mails.first).to_contain_text(email)
    expect(copy.last).to_be_focused()
    assert console.evaluate("getSelection().toString()") == selected


def test_a_request_shows_as_a_log_line_with_its_raw_record(console: Page, elsewhere: User) -> None:
    with elsewhere.api(**{"X-Correlation-Id": "look-for-me"}) as api:
        api.get("/todos/00000000-0000-7000-8000-000000000000")
    console.get_by_role("radio", name="todo-app").check()
    line = console.get_by_role("group").filter(has_text="look-for-me")
    expect(line.locator("summary")).to_contain_text("GET /todos/{todo_id}")
    expect(line.locator("summary")).to_contain_text("404")
    expect(line.locator("pre")).to_be_hidden()
    line.locator("summary").click()
    expect(line.locator("pre")).to_be_visible()
    expect(console.get_by_label("Follow")).not_to_be_checked()
    lines = console.get_by_role("list", name="Log lines, newest last")
    expect(lines.get_by_text("REPORT RequestId").first).to_be_hidden()
    console.get_by_label("Lambda's own log lines").check()
    expect(lines.get_by_text("REPORT RequestId").first).to_be_visible()


def test_log_lines_are_chosen_by_function_level_and_text(console: Page, elsewhere: User) -> None:
    with elsewhere.api(**{"X-Correlation-Id": "choose-me"}) as api:
        api.get("/todos")
        api.get("/todos/00000000-0000-7000-8000-000000000000")
    console.get_by_role("radio", name="todo-app").check()
    console.get_by_label("Text").fill("choose-me")
    shown = console.locator("#lines > li:visible")
    expect(shown).to_have_count(2)

    console.get_by_label("Level").select_option("Warnings and errors")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("404")
    function = shown.locator(".function").inner_text()
    assert function
    console.get_by_label("Function").select_option(function)
    expect(shown).to_have_count(1)
    console.get_by_label("Text").fill("no such text")
    expect(console.get_by_text("No line matches.")).to_be_visible()


def test_no_link_of_a_card_leads_to_an_error_page(console: Page) -> None:
    links = console.get_by_role("list", name="Systems").get_by_role("link")
    expect(links).not_to_have_count(0)
    for link in links.all():
        address = console.evaluate("(link) => link.href", link.element_handle())
        assert console.request.get(address).ok, address

    console.goto("/api.html?app=todo-app")
    expect(console.get_by_role("row", name="GET /todos List todos. a user who is signed in")).to_be_visible()


def test_a_long_mailbox_stays_in_its_box(console: Page) -> None:
    mails = console.get_by_role("list", name="Emails, newest first")
    mails.evaluate("(list) => { for (let n = 0; n < 300; n++) list.append(list.firstElementChild.cloneNode(true)) }")

    assert console.evaluate("document.documentElement.scrollHeight") < 6000


def test_a_log_line_leads_to_the_trace_of_its_request(console: Page, elsewhere: User) -> None:
    with elsewhere.api(**{"X-Correlation-Id": "trace-me"}) as api:
        answer = api.get("/todos/00000000-0000-7000-8000-000000000000")
    trace_id = answer.headers["X-Amzn-Trace-Id"].split(";")[0].removeprefix("Root=")
    console.get_by_role("radio", name="todo-app").check()
    line = console.get_by_role("group").filter(has_text="trace-me")
    line.locator("summary").click()

    line.get_by_role("link", name="The trace of this invocation").click()

    expect(console).to_have_url(re.compile(rf"traces\.html#trace={trace_id}$"))
    expect(console.get_by_role("heading", name="GET /todos/{todo_id}")).to_be_visible()
    rows = console.get_by_role("list", name="What happened, in order of time").locator("> li")
    expect(rows.first).to_contain_text("404")
    function = rows.filter(has_text="APIHandler")
    expect(function.locator("pre")).to_be_hidden()
    function.locator("summary").press("Enter")
    expect(function.locator("pre")).to_contain_text('"origin": "AWS::Lambda::Function"')

    console.get_by_role("link", name="All traces").click()
    traces = console.get_by_role("list", name="Traces, newest first")
    row = traces.locator(f'a[href="#trace={trace_id}"]')
    console.get_by_label("Route, app, user or id").fill(elsewhere.email)
    console.get_by_label("Status").select_option("4xx")
    expect(row).to_contain_text("GET /todos/{todo_id}")
    console.get_by_label("Slower than").select_option("5 s")
    expect(row).to_have_count(0)


def test_a_mail_and_a_payment_lead_to_their_trace_if_they_have_one(console: Page) -> None:
    mail = {"To": ["ann@example.com"], "Source": "shop@example.com", "Subject": "Paid", "Timestamp": 1}
    charge = {"created": 1, "amount": 299, "amount_refunded": 0, "currency": "usd", "paid": True, "refunded": False}
    mails = [mail | {"MessageId": "1", "Trace": "1-a"}, mail | {"MessageId": "2", "Trace": ""}]
    charges = [charge | {"id": id, "payment_intent": id, "description": id, "trace": id} for id in ("1-b", "")]
    console.route("**/mails.json", lambda route: route.fulfill(json=mails))
    console.route("**/payments.json", lambda route: route.fulfill(json=charges))

    link = console.get_by_role("link", name="The trace in which it was sent")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", "traces.html#trace=1-a")
    payments = console.get_by_role("list", name="Payments, newest first")
    expect(payments.get_by_role("listitem")).to_have_count(2)
    expect(payments.get_by_role("link")).to_have_count(1)
    expect(payments.get_by_role("link", name="Trace")).to_have_attribute("href", "traces.html#trace=1-b")


def test_the_traces_fit_a_phone_without_shifts(
    new_page: Callable[..., Page], sandbox: dict[str, Any], elsewhere: User
) -> None:
    with elsewhere.api() as api:
        trace_id = api.get("/todos").headers["X-Amzn-Trace-Id"].split(";")[0].removeprefix("Root=")
    page = new_page(base_url=sandbox["console"], **PHONE)
    page.goto("/traces.html")
    link = page.locator(f'a[href="#trace={trace_id}"]')
    expect(link).to_be_visible()

    fits(page, "traces")
    link.click()
    expect(page.get_by_role("heading", name="GET /todos")).to_be_focused()
    fits(page, "trace")


def test_the_newest_log_line_is_visible_while_following(console: Page, elsewhere: User) -> None:
    with elsewhere.api() as api:
        for _ in range(30):
            api.get("/todos")
        api.get("/files")
    console.get_by_role("radio", name="todo-app").check()
    newest = console.locator("#lines > li:visible").last
    expect(newest).to_contain_text("GET /files")
    console.locator("#lines").scroll_into_view_if_needed()
    expect(newest).to_be_in_viewport()


def test_the_hits_and_misses_of_each_cache_are_counted(console: Page, elsewhere: User) -> None:
    row = console.get_by_role("row", name="API Gateway stage cache")
    with elsewhere.api() as api:
        api.get("/cached/todos").raise_for_status()
    expect(row).to_be_visible()
    before = _hits(row.inner_text())
    with elsewhere.api() as api:
        for _ in range(3):
            api.get("/cached/todos").raise_for_status()
    expect(row.get_by_role("cell").first).to_have_text(str(before + 3))


def test_a_stopped_sandbox_and_its_return_are_shown(console: Page) -> None:
    console.route("**/*.json*", lambda route: route.abort("connectionrefused"))
    expect(console.get_by_text("Not reachable, trying again")).to_be_visible()
    expect(console.get_by_role("heading", name="MyTodoList")).to_be_visible()
    console.unroute("**/*.json*")
    expect(console.get_by_text("Live")).to_be_visible()


def test_the_first_page_fits_a_phone_without_shifts(
    new_page: Callable[..., Page], sandbox: dict[str, Any], email: str, elsewhere: User
) -> None:
    with elsewhere.api() as api:
        api.get("/cached/todos")
    page = new_page(base_url=sandbox["console"], **PHONE)
    page.goto("/")
    expect(page.get_by_role("row", name="API Gateway stage cache")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text=email)).to_be_visible()

    fits(page, "console")


def test_the_routes_of_an_api_fit_a_phone(new_page: Callable[..., Page], sandbox: dict[str, Any]) -> None:
    page = new_page(base_url=sandbox["console"], **PHONE)
    page.goto("/api.html?app=todo-app")
    expect(page.get_by_role("row", name="GET /files")).to_be_visible()

    fits(page, "routes")


def test_a_release_of_the_button_is_listed_and_the_edge_serves_it(
    new_page: Callable[..., Page], sandbox: dict[str, Any]
) -> None:
    page = new_page(base_url=sandbox["console"], **PHONE)
    page.goto("/updates.html")
    expect(page.get_by_role("list", name="Update servers").get_by_text("healthy", exact=True)).to_have_count(3)
    fits(page, "updates")
    button = page.get_by_role("button", name="Release")
    version = button.inner_text().removeprefix("Release ")

    button.click()

    expect(page.get_by_role("row", name=version)).to_be_visible()
    expect(button).not_to_have_text(f"Release {version}")
    expect(page.get_by_text("% of the requests itself")).to_be_visible()


def test_the_console_loads_nothing_from_other_hosts(sandbox: dict[str, Any]) -> None:
    html = httpx.get(sandbox["console"]).text
    assert "default-src 'self'" in html
    assert "http://" not in html
    assert "https://" not in html


def _hits(row: str) -> int:
    return int(row.split("\t")[1].replace(",", ""))


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_the_graph_of_services_is_drawn_and_listed(open_page: Callable[..., Page], color_scheme: str) -> None:
    page = open_page("console", color_scheme=color_scheme)
    page.get_by_role("link", name="Services", exact=True).click()
    picture = page.locator("#graph svg")
    arrow = picture.locator('.arrow[data-source="video-app.APIHandler"][data-target="receipts-app.RestAPI"]')
    expect(arrow).to_have_count(1)
    reads = picture.locator('.arrow[data-source="video-app.GenerateLinks"][data-target="video-app.Videos"]')
    expect(reads).to_have_count(0)

    page.get_by_label("What functions read and write").check()
    expect(reads).to_have_count(1)
    picture.locator('[data-id="video-app.GenerateLinks"]').hover()
    expect(reads).to_have_class("arrow right lit")
    expect(arrow).to_have_class("arrow dim")

    page.get_by_label("todo-app").check(force=True)
    expect(arrow).to_have_count(0)
    page.get_by_text("The same as a list").click()
    expect(page.get_by_text("todo-app.RestAPI → todo-app.APIHandler: integration")).to_be_visible()


def test_the_graph_of_services_fits_a_phone(open_page: Callable[..., Page]) -> None:
    page = open_page("console", **PHONE)
    page.goto("/services.html")
    expect(page.locator("#graph svg")).to_be_visible()

    fits(page, "services")
