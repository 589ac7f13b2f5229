"""Creates a service from ``services/template/``, with the same shape as the others, and removes one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from deploy.apps import ROOT

_TEMPLATE = Path(__file__).parent / "template"


class ScaffoldError(Exception):
    """The service cannot be created or removed; the message says why."""


def new(name: str) -> list[Path]:
    """Create the service *name*, ``<things>-app``, with its tests; return the new folders. Raises ScaffoldError."""
    if not re.fullmatch(r"[a-z]{2,20}s-app", name):
        raise ScaffoldError(f"{name}: name a service after what it has, in the plural, for example orders-app")
    folders = {"app": ROOT / name, "tests": ROOT / "tests" / name}
    for folder in folders.values():
        if folder.exists():
            raise ScaffoldError(f"{folder.relative_to(ROOT)} already exists")
    words = _words(name)
    for part, folder in folders.items():
        _render(_TEMPLATE / part, folder, words)
    (folders["app"] / "vendor").mkdir()
    (folders["app"] / "vendor" / "common").symlink_to("../../common")
    return list(folders.values())


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
    things = name.removesuffix("-app")
    thing = re.sub(r"ie$", "y", things.removesuffix("s"))
    article = "an" if thing[0] in "aeiou" else "a"
    words = {"things": things, "thing": thing, "a": article}
    return {"app": name, **words, **{word.capitalize(): value.capitalize() for word, value in words.items()}}


def _render(template: Path, folder: Path, words: dict[str, str]) -> None:
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 # no HTML
    for source in sorted(path for path in template.rglob("*") if path.is_file()):
        target = folder / jinja.from_string(str(source.relative_to(template))).render(words)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(jinja.from_string(source.read_text()).render(words))
