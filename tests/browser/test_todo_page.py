"""MyTodoList as a person uses it: through the page, against the whole sandbox."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from phone import PHONE, fits
from playwright.sync_api import FilePayload, Locator, Page, Route, expect
from users import PASSWORD, User, anonymous

NAME = "Reçu №1 + 100 % (final) 'neu' 日本.bin"


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def signed_in(page: Page, email: str) -> Page:
    sign_in(page, email)
    expect(page.get_by_role("heading", name="Todos")).to_be_visible()
    return page


def add(page: Page, title: str) -> Locator:
    page.get_by_role("textbox", name="New todo").fill(title)
    page.get_by_role("button", name="Add").click()
    todo = page.get_by_role("listitem").filter(has=page.get_by_role("checkbox", name=title, exact=True))
    expect(todo).to_be_visible()
    return todo


def answered(page: Page, method: str) -> AbstractContextManager[object]:
    """Wait, at the end of the block, for the response to a request by *method*. A reload would cancel the request."""
    return page.expect_response(lambda response: response.request.method == method)


def titles(page: Page) -> Locator:
    return page.get_by_role("checkbox")


def test_a_person_signs_up_keeps_todos_and_a_file_and_signs_out(page: Page) -> None:
    email = f"{os.urandom(6).hex()}@example.com"

    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Email").fill(email)
    password = page.get_by_label("Password", exact=True)
    expect(password).to_have_accessible_description(re.compile("12 characters or more.*uppercase.*lowercase.*digit"))
    password.fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()

    expect(page.get_by_role("heading", name="Confirm your email address")).to_be_visible()
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Open the mailbox").click()
    mail = popup.value.get_by_role("listitem").filter(has_text=email)
    code = mail.locator("code").inner_text()
    popup.value.close()
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Nothing here yet")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    sign_in(page, email)
    expect(page.get_by_text("Nothing here yet")).to_be_visible()

    add(page, "Buy milk")
    page.get_by_role("textbox", name="New todo").fill("Plant the tulips")
    page.get_by_text("Details").click()
    page.get_by_label("Notes").fill("Ten centimetres deep.\nIn the sun.")
    page.get_by_label("Due").fill("2030-10-15")
    page.get_by_label("Priority").select_option("High")
    page.get_by_label("Tags").fill("garden, autumn")
    page.get_by_role("button", name="Add").click()
    tulips = page.get_by_role("listitem").filter(has=page.get_by_role("checkbox", name="Plant the tulips"))
    for text in ("Ten centimetres deep.", "Due 15 Oct 2030", "High priority", "garden", "autumn"):
        expect(tulips).to_contain_text(text)
    expect(titles(page)).to_have_count(2)
    expect(titles(page).first).to_have_accessible_name("Plant the tulips")

    page.get_by_role("button", name="Edit Buy milk").click()
    page.get_by_role("textbox", name="Title").fill("Buy oat milk")
    page.get_by_role("button", name="Save").click()
    milk = page.get_by_role("checkbox", name="Buy oat milk")
    with answered(page, "PATCH"):
        milk.check()
    page.reload()
    expect(milk).to_be_checked()
    expect(tulips.get_by_role("checkbox")).not_to_be_checked()

    page.get_by_text("Open", exact=True).click()
    expect(titles(page)).to_have_count(1)
    expect(titles(page)).to_have_accessible_name("Plant the tulips")
    page.get_by_text("Done", exact=True).click()
    expect(milk).to_be_visible()
    expect(titles(page)).to_have_count(1)
    page.get_by_role("button", name="Delete Buy oat milk").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nothing is done yet")).to_be_visible()

    page.get_by_role("link", name="Files").click()
    expect(page.get_by_text("Your folder is empty.")).to_be_visible()
    content = os.urandom(300_000)
    file: FilePayload = {"name": NAME, "mimeType": "application/octet-stream", "buffer": content}
    page.get_by_label("Upload files").set_input_files(file)
    expect(page.get_by_text(f"Uploaded “{NAME}”.")).to_be_visible()
    page.reload()
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Download {NAME}").click()
    assert download.value.suggested_filename == NAME
    assert Path(download.value.path()).read_bytes() == content
    page.get_by_role("button", name=f"Delete {NAME}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Your folder is empty.")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/#todos")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("Plant the tulips")).to_have_count(0)


def test_a_wrong_password_is_explained(page: Page, email: str) -> None:
    sign_in(page, email, "Wrong-horse-12")
    expect(page.get_by_role("alert").filter(has_text="The email address or password is incorrect.")).to_be_visible()
    sign_in(page, email)
    expect(page.get_by_role("heading", name="Todos")).to_be_visible()


def test_a_sign_in_before_the_confirmation_leads_to_it(page: Page, mailed_code: Callable[[str], str]) -> None:
    email = f"{os.urandom(6).hex()}@example.com"
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name="Back to sign in").click()
    sign_in(page, email)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("alert").filter(has_text="This code is incorrect.")).to_be_visible()
    page.get_by_role("button", name="Send a new code").click()
    expect(page.get_by_text("A new code is on its way.")).to_be_visible()
    page.get_by_label("Code").fill(mailed_code(email))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Todos")).to_be_visible()


def test_a_forgotten_password_is_replaced_by_mail(page: Page, email: str, mailed_code: Callable[[str], str]) -> None:
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Send code").click()
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    page.get_by_label("Code").fill(mailed_code(email))
    page.get_by_label("Password", exact=True).fill("Another-horse-2")
    page.get_by_role("button", name="Save password").click()
    expect(page.get_by_role("heading", name="Todos")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, email, "Another-horse-2")
    expect(page.get_by_role("heading", name="Todos")).to_be_visible()


def test_a_stale_edit_is_explained_and_loses_nothing(page: Page, email: str, elsewhere: User) -> None:
    signed_in(page, email)
    add(page, "Book the train")
    page.get_by_role("button", name="Edit Book the train").click()
    page.get_by_role("textbox", name="Title").fill("Book the night train")
    with elsewhere.api() as api:
        todo = api.get("/todos").json()["items"][0]
        assert api.patch(f"/todos/{todo['id']}", json={"notes": "Window seat"}).status_code == 200

        page.get_by_role("button", name="Save").click()
        conflict = page.get_by_role("alert").filter(has_text="changed somewhere else in the meantime")
        expect(conflict).to_contain_text("Window seat")
        assert api.get(f"/todos/{todo['id']}").json()["title"] == "Book the train"

        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("checkbox", name="Book the night train")).to_be_visible()
        now = api.get(f"/todos/{todo['id']}").json()
    assert (now["title"], now["notes"]) == ("Book the night train", "Window seat")


def test_a_todo_changed_elsewhere_is_not_deleted_unseen(page: Page, email: str, elsewhere: User) -> None:
    signed_in(page, email)
    add(page, "Old plan")
    with elsewhere.api() as api:
        todo = api.get("/todos").json()["items"][0]
        api.patch(f"/todos/{todo['id']}", json={"title": "New plan"})
    page.get_by_role("button", name="Delete Old plan").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("alert").filter(has_text="changed somewhere else")).to_be_visible()
    expect(page.get_by_role("checkbox", name="New plan")).to_be_visible()


def test_markup_in_a_todo_is_only_text(page: Page, email: str, elsewhere: User) -> None:
    signed_in(page, email)
    markup = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    with elsewhere.api() as api:
        body = {"title": markup, "notes": markup, "tags": ["<b>bold</b>"]}
        assert api.post("/todos", json=body).status_code == 201
    page.reload()
    expect(page.get_by_role("checkbox", name=markup)).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text(markup)
    assert page.locator("main img, main script, main b, dialog img").count() == 0
    assert page.title() != "owned"


def test_the_keyboard_alone_adds_edits_and_ticks(page: Page, email: str) -> None:
    keyboard = page.keyboard
    page.get_by_label("Email").focus()
    keyboard.type(email)
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    expect(page.get_by_text("Nothing here yet")).to_be_visible()
    expect(page.get_by_role("heading", name="Todos")).to_be_focused()

    keyboard.press("Tab")
    keyboard.type("Water the plants")
    keyboard.press("Enter")
    tick = page.get_by_role("checkbox", name="Water the plants")
    expect(tick).to_be_visible()
    expect(page.get_by_role("textbox", name="New todo")).to_be_focused()
    for name in ("Add", "Details", "All", "Water the plants"):
        keyboard.press("Tab")
        assert name in (page.evaluate("document.activeElement.closest('button, summary, label').textContent")), name
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "the focus is not to be seen"
    keyboard.press("Space")
    expect(tick).to_be_checked()

    edit = page.get_by_role("button", name="Edit Water the plants")
    keyboard.press("Tab")
    expect(edit).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Title")).to_be_focused()
    keyboard.type(" on Friday")
    keyboard.press("Escape")
    expect(edit).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Title")).to_have_value("Water the plants")
    keyboard.press("End")
    keyboard.type(" today")
    keyboard.press("Enter")
    expect(page.get_by_role("checkbox", name="Water the plants today")).to_be_checked()


def test_older_todos_come_page_by_page(page: Page, email: str, elsewhere: User) -> None:
    with elsewhere.api() as api:
        for number in range(23):
            api.post("/todos", json={"title": f"Todo {number}"})
    signed_in(page, email)
    expect(titles(page)).to_have_count(20)
    page.get_by_role("button", name="Load more").click()
    expect(titles(page)).to_have_count(23)
    expect(page.get_by_role("checkbox", name="Todo 2", exact=True)).to_be_focused()
    expect(page.get_by_role("button", name="Load more")).to_be_hidden()


def test_a_tick_under_a_filter_can_be_undone(page: Page, email: str) -> None:
    signed_in(page, email)
    add(page, "Call Jo")
    page.get_by_text("Open", exact=True).click()
    tick = page.get_by_role("checkbox", name="Call Jo")
    tick.click()
    expect(tick).to_have_count(0)
    with answered(page, "PATCH"):
        page.get_by_role("button", name="Undo").click()
    expect(tick).to_be_visible()
    expect(tick).not_to_be_checked()
    page.reload()
    expect(tick).not_to_be_checked()


def test_a_lost_response_does_not_add_twice(page: Page, email: str) -> None:
    signed_in(page, email)
    lost: list[str] = []

    def lose_first_response(route: Route) -> None:
        if route.request.method != "POST" or lost:
            return route.continue_()
        lost.append(route.request.headers["idempotency-key"])
        assert route.fetch().status == 201
        return route.abort("connectionreset")

    page.route("**/todos", lose_first_response)
    add(page, "Only once")
    page.reload()
    expect(page.get_by_role("checkbox", name="Only once")).to_have_count(1)
    assert len(lost) == 1


def test_a_tick_that_cannot_be_saved_is_undone(page: Page, email: str) -> None:
    signed_in(page, email)
    add(page, "Be honest")
    page.route("**/todos/*", lambda route: route.abort("connectionfailed"))
    page.get_by_role("checkbox", name="Be honest").click()
    expect(page.get_by_role("alert").filter(has_text="is not responding")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Be honest")).not_to_be_checked()


def test_the_last_of_several_quick_clicks_counts(page: Page, email: str) -> None:
    signed_in(page, email)
    add(page, "Make up my mind")
    tick = page.get_by_role("checkbox", name="Make up my mind")
    with answered(page, "PATCH"):
        tick.evaluate("box => { for (let click = 0; click < 5; click++) box.click(); }")
        expect(tick).to_be_checked()
    page.reload()
    expect(tick).to_be_checked()


def test_an_edit_right_after_a_tick_has_the_version_of_the_tick(page: Page, email: str) -> None:
    signed_in(page, email)
    add(page, "Take it slowly")
    late: list[Route] = []
    page.route("**/todos/*", lambda route: late.append(route), times=1)
    with page.expect_request(lambda request: request.method == "PATCH"):
        page.get_by_role("checkbox", name="Take it slowly").click()
    page.get_by_role("button", name="Edit Take it slowly").click()
    page.get_by_role("textbox", name="Title").fill("Taken slowly")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("form", name="Edit Take it slowly")).to_have_attribute("aria-busy", "true")
    assert len(late) == 1  # only the tick was sent
    late[0].continue_()
    expect(page.get_by_role("checkbox", name="Taken slowly")).to_be_checked()


def test_a_wrong_tag_in_a_closed_section_opens_it(page: Page, email: str) -> None:
    signed_in(page, email)
    page.get_by_role("textbox", name="New todo").fill("Too many words")
    page.get_by_text("Details").click()
    page.get_by_label("Tags").fill("x" * 51)
    page.get_by_text("Details").click()
    expect(page.get_by_label("Tags")).to_be_hidden()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label("Tags")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)


def test_a_list_that_cannot_be_read_offers_a_retry(page: Page, email: str) -> None:
    signed_in(page, email)
    add(page, "Still there")
    page.route("**/todos?*", lambda route: route.abort("connectionfailed"))
    page.reload()
    expect(page.get_by_role("alert").filter(has_text="is not responding")).to_be_visible()
    page.unroute("**/todos?*")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("checkbox", name="Still there")).to_be_visible()


def test_a_page_whose_templates_do_not_load_offers_another_try(page: Page) -> None:
    page.route("**/templates.html", lambda route: route.abort("connectionfailed"))
    page.reload()
    expect(page.get_by_text("The service is not responding.")).to_be_visible()
    page.unroute("**/templates.html")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("expired", [{"expiresAt": 0}, {"idToken": "not a token"}], ids=["expired", "refused"])
def test_an_expired_token_is_renewed_silently(page: Page, email: str, expired: dict[str, Any]) -> None:
    signed_in(page, email)
    _change_session(page, expired)
    add(page, "Go on")
    page.get_by_role("link", name="Files").click()
    expect(page.get_by_text("Your folder is empty.")).to_be_visible()


def test_a_session_ended_elsewhere_leads_to_the_sign_in_with_an_explanation(
    page: Page, email: str, elsewhere: User, sandbox: dict[str, Any]
) -> None:
    signed_in(page, email)
    add(page, "Mine")
    anonymous("cognito-idp", sandbox["endpoint"]).global_sign_out(AccessToken=elsewhere.access_token)
    _change_session(page, {"expiresAt": 0})
    page.get_by_role("checkbox", name="Mine").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="Your session has ended.")).to_be_visible()


DROP = """(element, [name, text]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], name, { type: "text/plain" }));
    element.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


def test_a_file_that_is_too_large_is_named_and_the_others_are_uploaded(page: Page, email: str) -> None:
    signed_in(page, email)
    page.get_by_role("link", name="Files").click()
    large: FilePayload = {"name": "film.mp4", "mimeType": "video/mp4", "buffer": bytes(10 * 1024 * 1024 + 1)}
    small: FilePayload = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"hello"}
    page.get_by_label("Upload files").set_input_files([large, small])
    expect(page.get_by_role("alert").filter(has_text="is larger than 10 MB")).to_be_visible()
    expect(page.get_by_role("button", name="Download note.txt")).to_be_visible()


def test_a_file_with_a_control_character_in_its_name_is_listed_read_and_deleted(
    page: Page, email: str, elsewhere: User
) -> None:
    folder, name = elsewhere.folder(), "a\x01b + ü%20&<.txt"
    elsewhere.s3().put_object(Bucket=folder["bucket"], Key=folder["prefix"] + name, Body=b"hello")
    signed_in(page, email)
    page.get_by_role("link", name="Files").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download a").click()
    assert Path(download.value.path()).read_bytes() == b"hello"
    page.get_by_role("button", name="Delete a").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Your folder is empty.")).to_be_visible()


@pytest.mark.parametrize("name", ["${filename}", "a${filename}b.txt", "a\\b", "x" * 201])
def test_a_file_with_a_name_that_the_api_refuses_is_explained(page: Page, email: str, name: str) -> None:
    signed_in(page, email)
    page.get_by_role("link", name="Files").click()
    page.locator(".drop").evaluate(DROP, [name, "hello"])
    expect(page.get_by_role("alert").filter(has_text="has a name that cannot be used here")).to_be_visible()


def test_the_page_uploads_by_a_form_whose_size_s3_enforces(page: Page, email: str) -> None:
    signed_in(page, email)
    page.get_by_role("link", name="Files").click()
    larger = {"name": "note.txt", "content_type": "text/plain", "size": 4}
    page.route("**/files", lambda route: route.continue_(post_data=larger if route.request.method == "POST" else None))
    page.locator(".drop").evaluate(DROP, ["note.txt", "hello"])
    expect(page.get_by_role("alert").filter(has_text="The file storage has a problem")).to_be_visible()


def test_a_dropped_file_is_uploaded_and_a_file_of_the_same_name_asks_first(page: Page, email: str) -> None:
    signed_in(page, email)
    page.get_by_role("link", name="Files").click()
    target = page.locator(".drop")
    target.evaluate(DROP, ["note.txt", "first"])
    expect(page.get_by_role("button", name="Download note.txt")).to_be_visible()
    target.evaluate(DROP, ["note.txt", "second"])
    page.get_by_role("dialog").get_by_role("button", name="Replace").click()
    expect(page.get_by_role("progressbar")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download note.txt").click()
    assert Path(download.value.path()).read_text() == "second"


def test_on_a_phone_nothing_scrolls_sideways_and_everything_is_large_enough_to_touch(
    open_page: Callable[..., Page], email: str
) -> None:
    page = open_page(**PHONE)
    for view in ("sign-in", "sign-up", "confirm", "forgot", "reset"):
        page.goto(f"/#{view}")
        fits(page, view)
    page.goto("/#sign-in")
    signed_in(page, email)
    add(page, "x" * 200)
    page.get_by_text("Details").click()
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("textbox", name="Title")).to_be_visible()
    fits(page, "todos")
    page.get_by_role("link", name="Files").click()
    file: FilePayload = {"name": "y" * 150, "mimeType": "text/plain", "buffer": b"hello"}
    page.get_by_label("Upload files").set_input_files(file)
    expect(page.get_by_role("button", name="Download")).to_be_visible()
    fits(page, "files")


def test_dark_mode_is_dark_and_light_mode_is_light(open_page: Callable[..., Page]) -> None:
    for scheme, paper_is_dark in (("dark", True), ("light", False)):
        page = open_page(color_scheme=scheme)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        paper, ink = (
            page.locator("body").evaluate(f"body => getComputedStyle(body).{name}")
            for name in ("backgroundColor", "color")
        )
        assert (_brightness(paper) < 64) is paper_is_dark
        assert abs(_brightness(paper) - _brightness(ink)) > 150


def _change_session(page: Page, changes: dict[str, Any]) -> None:
    page.evaluate(
        "changes => sessionStorage.session = JSON.stringify({ ...JSON.parse(sessionStorage.session), ...changes })",
        changes,
    )


def _brightness(color: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", color)[:3])
    return 0.3 * red + 0.6 * green + 0.1 * blue
