"""Creates a service from ``services/template/``, with the same shape as the others, and removes one."""

from __future__ import annotations

import functools
import io
import keyword
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from deploy.apps import ROOT
from services import openapi

_TEMPLATE = Path(__file__).parent / "template"
_BIN = Path(sys.executable).parent


class ScaffoldError(Exception):
    """The service cannot be created or removed; the message says why."""


def new(name: str) -> list[Path]:
    """Create the service *name*, ``<things>-app``, with its tests; return the new folders.

    Raises ScaffoldError. Whatever fails, none of its files stays, since every command reads all apps.
    """
    words = _words(name)
    folders = {"app": ROOT / name, "tests": ROOT / "tests" / name}
    for folder in folders.values():
        if folder.exists():
            raise ScaffoldError(f"{folder.relative_to(ROOT)} already exists")
    try:
        for part, folder in folders.items():
            _render(_TEMPLATE / part, folder, words)
        (folders["app"] / "vendor").mkdir()
        (folders["app"] / "vendor" / "common").symlink_to("../../common")
        _finish(name, *folders.values())
    except BaseException:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    return list(folders.values())


def _finish(name: str, *folders: Path) -> None:
    """Format the code, because names of other lengths break lines elsewhere, and write the contract."""
    for command in (["check", "--quiet", "--fix"], ["format", "--quiet"]):
        done = subprocess.run(
            [_BIN / "ruff", *command, *folders], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ScaffoldError(
                f"{name}: the code of the template has errors with this name:\n{done.stdout}{done.stderr}"
            )
    try:
        openapi.write(name)
    except Exception as error:
        raise ScaffoldError(f"{name}: the code of the template does not start with this name: {error}") from error


def remove(name: str) -> list[Path]:
    """Remove the service *name* and its tests, and return the folders.

    Raises ScaffoldError if there is none, or if it is in git: `git rm` removes it, and git can restore it.
    """
    folders = [ROOT / name, ROOT / "tests" / name]
    if not (ROOT / name / ".chalice").exists():
        raise ScaffoldError(f"there is no service {name}")
    if _tracked(ROOT / name):
        raise ScaffoldError(f"{name} is in git: git rm -r {name} tests/{name}")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return folders


def _tracked(folder: Path) -> bool:
    done = subprocess.run(["git", "ls-files", str(folder)], cwd=ROOT, capture_output=True, check=False)
    return bool(done.stdout)


def _words(name: str) -> dict[str, str]:
    """Return the words of the template. Raises ScaffoldError if they cannot be the names in its code."""
    found = re.fullmatch(r"([a-z]{2,21})-app", name)
    if not found:
        raise ScaffoldError(
            f"{name}: name a service after what it has: one word of small letters in the plural, for example orders-app"
        )
    things = found[1]
    thing = _singular(things)
    words = _forms(name, things, thing)
    taken = sorted(word for word in _names(words) if word in _taken())
    if taken or things.startswith("test"):
        reason = f"the code already uses the name {taken[0]}" if taken else "pytest takes Test… for a test"
        raise ScaffoldError(f"{name}: {reason}; choose another word, for example customer{things}-app")
    return words


def _singular(things: str) -> str:
    import inflect  # slow to import, so only when a service is made

    thing = inflect.engine().singular_noun(things)
    if not thing or thing == things:
        raise ScaffoldError(f"{things}: must be a plural that differs from its singular, for example orders")
    return str(thing)


def _forms(app: str, things: str, thing: str) -> dict[str, str]:
    article = "an" if thing[0] in "aeiou" else "a"
    words = {"things": things, "thing": thing, "a": article}
    return {"app": app, **words, **{word.capitalize(): value.capitalize() for word, value in words.items()}}


def _names(words: dict[str, str]) -> set[str]:
    return {words[word] for word in ("thing", "things", "Thing", "Things")}


@functools.cache
def _taken() -> set[str]:
    """Return the words that the template's code uses already: keywords, and all its names but its nouns."""
    words = _forms("nouns-app", "nouns", "noun")
    found = {*keyword.kwlist, *keyword.softkwlist}
    for source in sorted(_TEMPLATE.rglob("*.py")):
        tokens = tokenize.generate_tokens(io.StringIO(_filled(source.read_text(), words)).readline)
        found |= {token.string for token in tokens if token.type == tokenize.NAME}
    return found - _names(words)


def _filled(text: str, words: dict[str, str]) -> str:
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 # no HTML
    return jinja.from_string(text).render(words)


def _render(template: Path, folder: Path, words: dict[str, str]) -> None:
    for source in sorted(path for path in template.rglob("*") if path.is_file()):
        target = folder / _filled(str(source.relative_to(template)), words)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_filled(source.read_text(), words))
