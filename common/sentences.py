"""What is wrong with a value, in a sentence that a page can show. It names the field, as `title` or `files[0].size`."""

from __future__ import annotations

import re

import msgspec

from common import text

_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}

_FORMS = {
    text.LINE: "must be one line of text, without control characters and not blank",
    text.TEXT: "must not have control characters",
    text.FILE_NAME: "must be the name of a file, without a path, control characters and ${filename}",
    text.MEDIA_TYPE: "must be a media type, for example image/jpeg",
    r"\A[a-z]{3}\Z": "must be the code of a currency in lower case, for example usd",
    r"^\d{4}-\d{2}-\d{2}$": "must be a day, for example 2030-01-31",
}
"""By pattern, what a text must be like."""

_LIMITS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def of(error: msgspec.ValidationError) -> str:
    """Return the sentence for *error*, whose own text is for programmers: ``Expected `str`, got `int` - at `$.title```.

    The text of an error that one of our structs raised is a sentence already.
    """
    problem, _, place = str(error).partition(" - at ")
    at = re.sub(r"^.*`\$\.?|`$", "", place)
    if found := re.fullmatch(r"Object (missing required|contains unknown) field `(.*)`", problem):
        field = f"{at}.{found[2]}" if at else found[2]
        return f"{field} is missing" if found[1] == "missing required" else f"{field} is not a known field"
    said = _rule(problem)
    return f"{at or 'the body'} {said}" if said else f"{at}: {problem}" if at else problem


def _rule(problem: str) -> str | None:
    """Return what a value must be like, or None for a problem that msgspec did not word."""
    if found := re.fullmatch(r"Expected `([^`]*)`, got `([^`]*)`", problem):
        return f"must be {_type(found[1])}, not {_type(found[2])}"
    if found := re.fullmatch(r"Expected `(\w+)[^`]*` of length (>=|<=) (\d+)", problem):
        unit = ("item" if found[1] == "array" else "character") + ("" if found[3] == "1" else "s")
        return f"must have {_LIMITS[found[2]]} {found[3]} {unit}"
    if found := re.fullmatch(r"Expected `[^`]*` (>=|<=|>|<) (\S+)", problem):
        return f"must be {_LIMITS[found[1]]} {found[2]}"
    if found := re.fullmatch(r"Expected `[^`]*` matching regex (.*)", problem, re.DOTALL):
        forms = (form for pattern, form in _FORMS.items() if repr(pattern) == found[1])
        return next(forms, "does not have the right form")
    if problem.startswith("Invalid enum value"):
        return f"cannot be {problem.removeprefix('Invalid enum value ')[:80]}"
    return None


def _type(name: str) -> str:
    return " or ".join(_TYPES.get(part, f"a {part}") for part in name.split(" | "))
