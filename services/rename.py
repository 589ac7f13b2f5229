"""Renames an app, and its noun, everywhere in the repository: code, tests, page, contract and documents."""

from __future__ import annotations

import ast
import builtins
import json
import keyword
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from deploy.apps import ROOT, names
from docs.site import lines
from services import openapi

_BIN = Path(sys.executable).parent
_KEPT = (
    "CHANGELOG.md",
    "docs/tutorials/own-product.md",
    "localaws/",
    "services/rename.py",
    "tests/services/test_rename.py",
)
"""What tells of the past or of a rename, and the local AWS, which knows no app."""


class RenameError(Exception):
    """The app cannot be renamed; the message says why."""


def rename(old: str, new: str, noun: str | None = None) -> list[Path]:
    """Rename the app *old* to *new*, and its noun to *noun*, a singular; return the new folders.

    Raises RenameError, before the first change if it can.
    """
    _check_names(old, new)
    nouns = _nouns(old, noun) if noun else {}
    if _git("status", "--porcelain"):
        raise RenameError("there are changes that are not committed: commit them, so that git can undo the rename")
    replaced = replacement(old, new, nouns)
    for folder in (old, f"tests/{old}"):
        if (ROOT / folder).exists():
            _git("mv", folder, folder.replace(old, new))
    changed = [file for path in _git("ls-files", "-z").split("\0") if path and (file := _rewrite(path, replaced))]
    _finish(new, [file for file in changed if file.suffix == ".py"])
    return [folder for folder in (ROOT / new, ROOT / "tests" / new) if folder.exists()]


def replacement(old: str, new: str, nouns: dict[str, str]) -> Callable[[str], str]:
    """Return a function that renames an app, and singular and plural *nouns*, in a text or a path.

    Words keep their case: ``todo_id``, ``NewTodo`` and ``TODOS`` become ``note_id``, ``NewNote`` and ``NOTES``. "A" and
    "an" follow the new word.
    """
    stem, new_stem = old.removesuffix("-app"), new.removesuffix("-app")
    words = {f"{stem}{sign}app": f"{new_stem}{sign}app" for sign in "-_"}
    words[f"{stem.upper()}_PORT"] = f"{new_stem.upper()}_PORT"
    patterns = [rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])" for word in words]
    for singular, plural in [tuple(nouns)] if nouns else []:
        for form in (str.lower, str.upper, str.capitalize):
            words |= {form(word): form(nouns[word]) for word in nouns}
            before, after = {str.lower: ("a-z", "a-z"), str.upper: ("A-Z", "A-Z")}.get(form, ("", "a-z"))
            either = "|".join((form(plural), form(singular)))
            patterns.append((rf"(?<![{before}])" if before else "") + rf"(?:{either})(?![{after}])")
    pattern = re.compile(rf"(?:(?<![A-Za-z])(?P<a>[Aa])n?(?P<gap>[ _]))?(?P<word>{'|'.join(patterns)})")

    def fill(match: re.Match[str]) -> str:
        word = words[match["word"]]
        article = f"{match['a']}{'n' if word[0] in 'aeiouAEIOU' else ''}{match['gap']}" if match["a"] else ""
        return article + word

    return lambda text: pattern.sub(fill, text)


def _check_names(old: str, new: str) -> None:
    if old not in names():
        raise RenameError(f"there is no app {old}; the apps are {', '.join(names())}")
    if not re.fullmatch(r"[a-z]{2,21}-app", new):
        raise RenameError(f"{new}: name an app by one word of small letters and -app, for example notes-app")
    for taken in (new, f"tests/{new}"):
        if (ROOT / taken).exists():
            raise RenameError(f"{taken} already exists")


def _nouns(app: str, noun: str) -> dict[str, str]:
    """Return the singular and the plural of the app's noun, each with the word that replaces it."""
    import inflect  # slow to import, so only when a noun is renamed

    engine, stem = inflect.engine(), app.removesuffix("-app")
    singulars = {module.stem: engine.singular_noun(module.stem) for module in (ROOT / app / "chalicelib").glob("*.py")}
    old = next(((one, many) for many, one in singulars.items() if one and stem in (one, many)), None)
    if not old:
        raise RenameError(f"{app} is not named after its noun, so only the app can be renamed: leave out NOUN")
    plural = str(engine.plural_noun(noun)) if re.fullmatch("[a-z]{2,20}", noun) else noun
    if engine.singular_noun(noun) or plural == noun:
        raise RenameError(f"{noun}: the noun is one word of small letters, in the singular, for example note")
    forms = dict(zip(old, (noun, plural), strict=True))
    taken = {word for form in forms.values() for word in (form, form.capitalize())} & _taken(ROOT / app)
    if taken:
        raise RenameError(f"{noun}: {app} already uses the name {min(taken)}; choose another word")
    return forms


def _taken(app: Path) -> set[str]:
    """Return the names that the app's code, and Python, use already. The fields of a class are no obstacle."""
    found = {*keyword.kwlist, *dir(builtins)}
    for source in app.rglob("*.py"):
        found |= {source.stem, *_bound(ast.parse(source.read_text()))}
    for page in app.glob("web/*"):
        if page.suffix in (".html", ".js"):
            found |= set(re.findall(r"(?:<|\bconst |\blet |\bfunction |\bclass )(\w+)", page.read_text()))
    return found


def _bound(module: ast.Module) -> Iterator[str]:
    fields = {
        id(line.target)
        for each in ast.walk(module)
        if isinstance(each, ast.ClassDef)
        for line in each.body
        if isinstance(line, ast.AnnAssign)
    }
    for each in ast.walk(module):
        if isinstance(each, ast.Name) and id(each) not in fields:
            yield each.id
        elif isinstance(each, ast.arg):
            yield each.arg
        elif isinstance(each, ast.FunctionDef | ast.ClassDef | ast.alias):
            yield from each.name.split(".")


def _rewrite(path: str, replaced: Callable[[str], str]) -> Path | None:
    """Rename in the text and in the path of a file of the repository; return where it is now, if anything changed."""
    file, target = ROOT / path, ROOT / replaced(path)
    if path.startswith(_KEPT) or "/vendor/" in path or file.is_symlink():
        return None
    text = renamed = ""
    with suppress(UnicodeDecodeError):  # a picture or a video
        text = file.read_text()
        renamed = replaced(text)
    if renamed != text:
        file.write_text(renamed)
    if target != file:
        target.parent.mkdir(parents=True, exist_ok=True)
        _git("mv", path, str(target.relative_to(ROOT)))
    return target if target != file or renamed != text else None


def _finish(app: str, sources: list[Path]) -> None:
    """Sort and format the code, because other names break other lines. Write the contract and the links to lines."""
    for command in (["check", "--fix-only"], ["format"]):
        subprocess.run([_BIN / "ruff", *command, "--quiet", "--force-exclude", *sources], cwd=ROOT, check=True)
    _wrap()
    openapi.write(app)
    lines.write()
    _git("add", "--all")


def _wrap() -> None:
    """Break the lines of docstrings and comments that are now too long. Ruff has formatted the others."""
    command = [str(_BIN / "ruff"), "check", "--select", "E501", "--output-format", "json", "."]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for each in reversed(json.loads(found)):  # from the end, so that the rows before stay
        file, row = Path(each["filename"]), each["location"]["row"]
        text = file.read_text().splitlines(keepends=True)
        line = text[row - 1]
        indent = re.match(r" *(# )?", line)
        if indent and (indent[1] or row in _prose(ast.parse("".join(text)))):
            end = line.rfind(" ", 0, 120)
            text[row - 1 : row] = [line[:end] + "\n", indent[0] + line[end + 1 :]]
            file.write_text("".join(text))


def _prose(tree: ast.Module) -> set[int]:
    """Return the rows of the texts that stand alone: docstrings, and what is said below a constant."""
    texts = (each for each in ast.walk(tree) if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    return {row for text in texts for row in range(text.lineno, (text.end_lineno or text.lineno) + 1)}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenameError(done.stderr.strip())
    return done.stdout
