"""An app is renamed with its noun, and is an app as before. Of nothing that cannot be renamed is a file changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import repository

from services import rename

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(not (ROOT / "todo-app").exists(), reason="todo-app was deleted or renamed")

TODOS = {"todo": "note", "todos": "notes"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("make test-todo-app TODO_PORT=1 # todo_app", "make test-notes-app NOTES_PORT=1 # notes_app"),
        ("todo-apple, mytodo-app", "note-apple, mytodo-app"),
        ("get_todo(todo_id) -> list[Todo]", "get_note(note_id) -> list[Note]"),
        ("class NewTodo, TodoQuery, TodosView", "class NewNote, NoteQuery, NotesView"),
        ("_TODOS = {{TODO}}", "_NOTES = {{NOTE}}"),
        ("MyTodoList shows Todos; '/~1cached~1todos'", "MyNoteList shows Notes; '/~1cached~1notes'"),
        ("todonna, mastodons, Todory", "todonna, mastodons, Todory"),
        ("todo-app/chalicelib/todos.py", "notes-app/chalicelib/notes.py"),
    ],
)
def test_words_are_replaced_in_every_case_and_only_whole(before: str, after: str) -> None:
    assert rename.replacement("todo-app", "notes-app", TODOS)(before) == after


def test_the_article_follows_the_noun() -> None:
    replaced = rename.replacement("todo-app", "orders-app", {"todo": "order", "todos": "orders"})

    assert (
        replaced("A todo, a todo's title, a_todo(), a new todo")
        == "An order, an order's title, an_order(), a new order"
    )


def test_only_the_app_is_renamed_without_a_noun() -> None:
    replaced = rename.replacement("blog-app", "journal-app", {})

    assert replaced("blog-app has a blog: BLOG_PORT") == "journal-app has a blog: JOURNAL_PORT"


@pytest.mark.parametrize(
    ("old", "new", "noun", "reason"),
    [
        ("nope-app", "notes-app", None, "there is no app nope-app; the apps are"),
        ("todo-app", "blog-app", None, "blog-app already exists"),
        ("todo-app", "Notes-app", None, "one word of small letters and -app"),
        ("todo-app", "../notes-app", None, "one word of small letters and -app"),
        ("todo-app", "notes-app", "notes", "notes: the noun is one word of small letters, in the singular"),
        ("todo-app", "notes-app", "two words", "in the singular"),
        ("todo-app", "files-app", "file", "todo-app already uses the name File"),
        ("todo-app", "keys-app", "import", "already uses the name import"),
        ("todo-app", "buttons-app", "button", "already uses the name button"),
        ("blog-app", "journal-app", "entry", "blog-app is not named after its noun"),
    ],
)
def test_what_cannot_be_renamed_is_refused_with_the_reason(old: str, new: str, noun: str | None, reason: str) -> None:
    with pytest.raises(rename.RenameError, match=reason):
        rename.rename(old, new, noun)


def test_a_renamed_app_passes_its_tests_and_those_of_the_architecture(tmp_path: Path) -> None:
    repository.copy_to(tmp_path)

    def run(*command: str, fails: bool = False) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    rename_it = (sys.executable, "-m", "services", "rename", "todo-app", "notes-app", "note")
    (tmp_path / "new.txt").touch()
    assert run(*rename_it, fails=True).count("\n") == 1
    (tmp_path / "new.txt").unlink()

    assert run(*rename_it) == "notes-app\ntests/notes-app\n"

    tests = (
        *(f"tests/notes-app/test_{name}.py" for name in ("app", "notes", "files")),
        "tests/common/test_architecture.py",
    )
    run(sys.executable, "-m", "pytest", "-q", "-o", "pythonpath=notes-app . tests tests/notes-app", *tests)
    # A text in the code may be too long with another word. Only a person can break it.
    run(sys.executable, "-m", "ruff", "check", "--quiet", "--ignore", "E501,RUF100", ".")
    run(sys.executable, "-m", "ruff", "format", "--check", "--quiet", ".")
    left = run("git", "grep", "-ilE", "(^|[^a-z])todos?([^a-z]|$)")
    known = ("localaws/", "services/rename.py", "tests/services/test_rename.py", "CHANGELOG.md", "docs/tutorials/")
    assert [file for file in left.split() if not file.startswith(known) and "/vendor/" not in file] == []


def test_a_line_of_prose_that_the_new_words_make_too_long_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = " ".join(["note"] * 26)
    file = tmp_path / "a.py"
    file.write_text(f'class A:\n    """{words}"""\n\n    # {words}\n    b = "{words}"\n')
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 120\n")
    monkeypatch.setattr(rename, "ROOT", tmp_path)

    rename._wrap()

    *prose, code = file.read_text().splitlines()
    assert code == f'    b = "{words}"'
    assert all(len(line) <= 120 for line in prose)
    assert "\n".join(prose).count("note") == 52
    assert [line.lstrip()[:6] for line in prose] == ["class ", '"""not', "note n", "", "# note", "# note"]
