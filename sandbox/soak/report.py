"""The report of a soak test: the books as text, and a page with plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import jinja2

from sandbox.soak.alarms import Raised
from sandbox.soak.books import Account
from sandbox.soak.load import Second
from sandbox.soak.schedule import RESTART, Span

WIDTH, HEIGHT = 760, 150
_BUCKETS, _SECONDS = 120, 5
"""A line of a plot has at most so many points, and one for at least so many seconds."""
_TICKS = 8
"""At most so many minutes are written below a plot."""
_NAMED = 5
"""How many subjects a line of the books names."""


@dataclass(frozen=True)
class Soak:
    """What a soak test found. *held* is what the queues of failures held when the load ended, *left* what stayed."""

    spans: Sequence[Span]
    accounts: Sequence[Account]
    held: Sequence[str]
    left: Sequence[str]
    alarms: Sequence[Raised]
    load: Sequence[Second]

    @property
    def problems(self) -> list[str]:
        """Why the test failed, a sentence each."""
        without = [each.alarm for each in self.alarms if each.fault is None]
        found = {
            "The books do not balance.": not all(account.balances for account in self.accounts),
            "Queues of failures still hold messages.": bool(self.left),
            f"Alarms were raised without a fault: {', '.join(without)}.": bool(without),
        }
        return [problem for problem, is_found in found.items() if is_found]

    @property
    def verdict(self) -> str:
        good = "The books balance, the queues of failures are empty, and each alarm was raised by a fault."
        return " ".join(self.problems) or good

    @property
    def began(self) -> float:
        return self.load[0].at

    def minute(self, at: float) -> str:
        """Return a time as minutes since the load began."""
        return f"{(at - self.began) / 60:.1f}"

    def spent(self, span: Span) -> str:
        return f"{span.ended - span.began:.0f} s"


def text(soak: Soak) -> str:
    """Return what the test found as Markdown."""
    last = soak.load[-1]
    lines = [
        f"{last.requests:,} requests in {soak.minute(last.at)} minutes, of which {last.failures:,} failed.",
        "",
        "| effects | operations | acknowledged | unknown | refused | found | lost | surplus |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {each.kind} | {each.operations:,} | {each.acknowledged:,} | {each.unknown:,} | {each.refused:,} |"
            f" {each.found:,} | {len(each.lost)} | {len(each.surplus)} |"
            for each in soak.accounts
        ),
    ]
    lines += list(_wrong(soak.accounts))
    lines += ["", "What happened, and when:", "", "| what | from minute | for |", "|---|--:|--:|"]
    lines += [f"| {span.name} | {soak.minute(span.began)} | {soak.spent(span)} |" for span in soak.spans]
    lines += ["", "What the queues of failures held when the load ended:", *_list(soak.held)]
    lines += ["", "What they hold after `make redrive`:", *_list(soak.left)]
    lines += ["", "The alarms that were raised:", *_list([_raised(soak, each) for each in soak.alarms])]
    return "\n".join([*lines, "", soak.verdict])


def _wrong(accounts: Sequence[Account]) -> Iterator[str]:
    for account in accounts:
        for what, subjects in (("lost", account.lost), ("surplus", account.surplus)):
            if subjects:
                more = f" and {len(subjects) - _NAMED} more" if len(subjects) > _NAMED else ""
                yield f"{account.kind}, {what}: {', '.join(subjects[:_NAMED])}{more}"


def _raised(soak: Soak, raised: Raised) -> str:
    cleared = "not cleared" if raised.cleared is None else f"cleared in minute {soak.minute(raised.cleared)}"
    return f"{raised.alarm}: {raised.fault or 'no fault'}, raised in minute {soak.minute(raised.at)}, {cleared}"


def _list(lines: Sequence[str]) -> list[str]:
    return [f"* {line}" for line in lines] or ["* nothing"]


@dataclass(frozen=True)
class Plot:
    """A plot of *lines*: by name the points of a line in SVG. *most* is the value at the top."""

    title: str
    most: str
    lines: dict[str, str]


@dataclass(frozen=True)
class Band:
    """A span in a plot: its number in the table, and its place in SVG."""

    number: int
    x: float
    width: float
    is_restart: bool


def page(soak: Soak) -> str:
    """Return the report as HTML, with plots of the requests, the times of their answers, and the failures."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    seconds = soak.load[-1].at - soak.began
    scale = WIDTH / seconds
    step = max(1, round(seconds / 60 / _TICKS))
    return environment.get_template("report.html").render(
        soak=soak,
        day=f"{datetime.fromtimestamp(soak.began, UTC):%Y-%m-%d %H:%M} UTC",
        width=WIDTH,
        height=HEIGHT,
        bands=[
            Band(
                number,
                scale * (span.began - soak.began),
                scale * (span.ended - span.began),
                span.name == RESTART,
            )
            for number, span in enumerate(soak.spans, 1)
        ],
        alarms=[scale * (each.at - soak.began) for each in soak.alarms if each.at <= soak.load[-1].at],
        minutes=[(minute, scale * 60 * minute) for minute in range(0, int(seconds / 60) + 1, step)],
        plots=list(_plots(soak.load)),
    )


def _plots(load: Sequence[Second]) -> Iterator[Plot]:
    first, seconds = load[0].at, load[-1].at - load[0].at
    count = max(1, min(_BUCKETS, int(seconds / _SECONDS)))
    size = seconds / count
    buckets: list[list[Second]] = [[] for _ in range(count)]
    for each in load:
        buckets[min(int((each.at - first) / size), count - 1)].append(each)
    # A bucket without a line of locust shows what the one before it showed.
    ends, last = [load[0]], load[0]
    for bucket in buckets:
        last = bucket[-1] if bucket else last
        ends.append(last)
    pairs = list(pairwise(ends))
    yield _plot("Requests a second", {"requests": [(b.requests - a.requests) / size for a, b in pairs]})
    yield _plot(
        "Milliseconds until an answer",
        {"95 of 100": [each.slow for each in ends[1:]], "median": [each.median for each in ends[1:]]},
    )
    yield _plot("Failures a second", {"failures": [(b.failures - a.failures) / size for a, b in pairs]})


def _plot(title: str, lines: dict[str, list[float]]) -> Plot:
    most = max(max(values) for values in lines.values()) or 1
    drawn = {
        name: " ".join(
            f"{WIDTH * (place + 0.5) / len(values):.1f},{HEIGHT * (1 - value / most):.1f}"
            for place, value in enumerate(values)
        )
        for name, values in lines.items()
    }
    return Plot(title, f"{most:,.0f}" if most >= 10 else f"{most:,.1f}", drawn)
