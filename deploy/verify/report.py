"""The results of a run as files: JUnit XML for a pipeline, and a page for a person, which needs no other file."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from deploy.apps import ROOT
from deploy.verify.runner import Result, first_failure

_HERE = Path(__file__).parent

# Characters that XML 1.0 (section 2.2) cannot represent.
_NOT_TEXT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(results: Sequence[Result], stage: str, target: str, when: str, folder: Path) -> list[Path]:
    """Write ``verify-<stage>.xml`` and ``verify-<stage>.html`` to *folder*, and return their paths."""
    folder.mkdir(exist_ok=True)
    files = {"xml": junit(results, stage), "html": page(results, stage, target, when)}
    written = []
    for ending, text in files.items():
        file = folder / f"verify-{stage}.{ending}"
        file.write_text(text)
        written.append(file)
    return written


def junit(results: Sequence[Result], stage: str) -> str:
    """Return the results as JUnit XML: a suite for each app, and a case for each step."""
    root = ET.Element("testsuites", name=f"verify {stage}")
    for app, steps in _by_app(results):
        counts = Counter(result.outcome for result in steps)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=app,
            tests=str(len(steps)),
            failures=str(counts["failed"]),
            skipped=str(counts["skipped"] + counts["not run"]),
            time=f"{sum(result.seconds for result in steps):.3f}",
        )
        for result in steps:
            case = ET.SubElement(suite, "testcase", classname=app, name=result.step, time=f"{result.seconds:.3f}")
            if result.outcome == "failed":
                ET.SubElement(case, "failure", message=_text(result.reason))
            elif result.outcome != "passed":
                ET.SubElement(case, "skipped", message=_text(result.reason or result.outcome))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def page(results: Sequence[Result], stage: str, target: str, when: str) -> str:
    """Return the results as an HTML page. *target* says where the stage is, *when* is the time of the run."""
    templates = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = (ROOT / "web" / "page.css").read_text() + (_HERE / "report.css").read_text()
    counts = Counter(result.outcome for result in results)
    return templates.get_template("report.html").render(
        stage=stage,
        target=target,
        when=when,
        style=Markup(style),  # noqa: S704 # our own files
        apps=_by_app(results),
        counts=[(name, counts[name]) for name in ("passed", "failed", "skipped", "not run") if counts[name]],
        failure=first_failure(results),
    )


def _by_app(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    return [(app, list(steps)) for app, steps in groupby(results, key=lambda result: result.app)]


def _text(text: str) -> str:
    return _NOT_TEXT.sub("\ufffd", text)
