"""How rows are shown: as lines while they are measured, and as the tables of docs/figures.md and the README."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from bench import peers
from bench.row import Row
from sandbox.settings import ROOT

PAGE, README = ROOT / "docs" / "figures.md", ROOT / "README.md"
_BEGIN, _END = "<!-- make bench writes this part -->", "<!-- the end of what make bench writes -->"


def line(row: Row) -> str:
    """Return a row as a line for the terminal."""
    here, there = (number(statistics.median(each)) for each in (row.here, row.there))
    aim = f"   {_aim(row)}" if row.has_aim else ""
    return f"{row.what}: {here} {row.unit}, {row.peer} {there}   ratio {_ratio(row)}{aim}"


def page(measured: Mapping[str, Sequence[Row]], missing: Mapping[str, str], machine: str) -> str:
    """Return the part of docs/figures.md, for the rows of each benchmark and the reasons of those without."""
    rows = [row for each in measured.values() for row in each]
    notes = list(dict.fromkeys(row.binds for row in rows if not row.met))
    pinned = f"The peers are {', '.join(peers.versions())}, and what the system has of nginx, OpenSSL and Node.js."
    lines = [
        machine,
        "",
        pinned,
        "",
        "| what | here | beside | its figure | ratio | aim |",
        "|---|--:|---|--:|--:|---|",
    ]
    for row in rows:
        note = "" if row.met else f" ({notes.index(row.binds) + 1})"
        lines.append(f"{_cells(row)} {_aim(row)}{note} |")
    lines += ["", *(f"({index}) {note}\n" for index, note in enumerate(notes, start=1))]
    if missing:
        lines += ["Not measured in this run:", "", *(f"* {name}: {reason}" for name, reason in missing.items()), ""]
    return "\n".join(lines)


def short(measured: Mapping[str, Sequence[Row]], machine: str) -> str:
    """Return the part of the README: the short rows."""
    rows = [row for each in measured.values() for row in each if row.short]
    lines = ["| what | here | beside | its figure | ratio |", "|---|--:|---|--:|--:|"]
    lines += map(_cells, rows)
    return "\n".join([*lines, "", machine, ""])


def _cells(row: Row) -> str:
    here, there = (f"{number(statistics.median(each))} {row.unit}".strip() for each in (row.here, row.there))
    return f"| {row.what} | {here} | {row.peer} | {there} | {_ratio(row)} |"


def between_marks(text: str, part: str) -> str:
    """Return *text* with *part* between its marks. Raises ValueError if it has no marks."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the marks are missing: {_BEGIN} and {_END}")
    return f"{before}{_BEGIN}\n\n{part.strip()}\n\n{_END}{after}"


def write(measured: Mapping[str, Sequence[Row]], missing: Mapping[str, str], machine: str) -> None:
    """Write both parts."""
    for file, part in ((PAGE, page(measured, missing, machine)), (README, short(measured, machine))):
        file.write_text(between_marks(file.read_text(), part))


def machine() -> str:
    """Return a sentence that describes this machine, and how busy it is."""
    cores = psutil.cpu_count() or 1
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"Measured on {_model()}, {cores} cores, {memory:.0f} GB of memory, {platform.system()}, Python "
        f"{platform.python_version()}. When the command began, {load:.1f} of the {cores} cores were busy."
    )


def _model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def number(value: float) -> str:
    """Return a number with three digits that count."""
    digits = next((digits for limit, digits in ((1, 3), (10, 2), (100, 1)) if abs(value) < limit), 0)
    return f"{value:,.{digits}f}"


def _ratio(row: Row) -> str:
    return f"{row.ratio:.2f} ({min(row.ratios):.2f} to {max(row.ratios):.2f})"


def _aim(row: Row) -> str:
    aims = _aims(row)
    return f"{' and '.join(aims)}: {'met' if row.met else 'missed'}" if aims else ""


def _aims(row: Row) -> Iterable[str]:
    aims = {"at most": row.at_most, "at least": row.at_least}
    return [f"{name} {value:g}" for name, value in aims.items() if value is not None]
