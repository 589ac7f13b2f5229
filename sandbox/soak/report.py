"""The report of a soak test: the books as text, and a page with plots."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from sandbox.soak.books import Account
from sandbox.soak.journal import Operation, Outcome
from sandbox.soak.schedule import Span

WIDTH, HEIGHT = 760, 160
_BUCKETS = 120
_NAMED = 5
"""How many subjects a line of the books names."""


@dataclass(frozen=True)
class Soak:
    """What a soak test found. *held* is what the queues of failures held when the load ended, *left* what stayed."""

    operations: Sequence[Operation]
    spans: Sequence[Span]
    accounts: Sequence[Account]
    held: Sequence[str]
    left: Sequence[str]

    @property
    def balances(self) -> bool:
        return all(account.balances for account in self.accounts) and not self.left


def text(soak: Soak) -> str:
    """Return the books and the queues of failures as Markdown."""
    lines = [
        "| effects | operations | acknowledged | unknown | refused | found | lost | surplus |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {each.kind} | {each.operations:,} | {each.acknowledged:,} | {each.unknown:,} | {each.refused:,} |"
            f" {each.found:,} | {len(each.lost)} | {len(each.surplus)} |"
            for each in soak.accounts
        ),
    ]
    lines += list(_wrong(soak.accounts))
    lines += ["", "What the queues of failures held when the load ended:", *_list(soak.held)]
    lines += ["", "What they hold after `make redrive`:", *_list(soak.left)]
    return "\n".join(lines)


def _wrong(accounts: Sequence[Account]) -> Iterator[str]:
    for account in accounts:
        for what, subjects in (("lost", account.lost), ("surplus", account.surplus)):
            if subjects:
                more = f" and {len(subjects) - _NAMED} more" if len(subjects) > _NAMED else ""
                yield f"{account.kind}, {what}: {', '.join(subjects[:_NAMED])}{more}"


def _list(lines: Sequence[str]) -> list[str]:
    return [f"* {line}" for line in lines] or ["* nothing"]


@dataclass(frozen=True)
class Plot:
    """A plot of *lines*: by name the points of a line in SVG. *most* is the value at the top."""

    title: str
    most: str
    lines: dict[str, str]


def page(soak: Soak) -> str:
    """Return the report as HTML, with a plot of the operations and one of the seconds until they ended."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    first = min(each.began for each in soak.operations)
    last = max(each.ended or each.began for each in soak.operations)
    scale = WIDTH / (last - first)
    return environment.get_template("report.html").render(
        soak=soak,
        minutes=(last - first) / 60,
        width=WIDTH,
        height=HEIGHT,
        spans=[(span.name, scale * (span.began - first), scale * (span.ended - span.began)) for span in soak.spans],
        plots=list(_plots(soak.operations, first, last)),
    )


def _plots(operations: Sequence[Operation], first: float, last: float) -> Iterator[Plot]:
    size = (last - first) / _BUCKETS
    buckets: list[list[Operation]] = [[] for _ in range(_BUCKETS)]
    for each in operations:
        buckets[min(int((each.began - first) / size), _BUCKETS - 1)].append(each)
    rates = {
        "acknowledged": [_rate(bucket, size, Outcome.ACKNOWLEDGED) for bucket in buckets],
        "unknown": [_rate(bucket, size, Outcome.UNKNOWN) for bucket in buckets],
    }
    yield _plot("operations that began, a second", rates)
    times = [[each.ended - each.began for each in bucket if each.ended] or [0.0] for bucket in buckets]
    yield _plot(
        "seconds until an operation ended",
        {"median": [statistics.median(each) for each in times], "longest": [max(each) for each in times]},
    )


def _rate(bucket: Sequence[Operation], seconds: float, outcome: Outcome) -> float:
    return sum(each.outcome is outcome for each in bucket) / seconds


def _plot(title: str, lines: dict[str, list[float]]) -> Plot:
    most = max(max(values) for values in lines.values()) or 1
    drawn = {
        name: " ".join(
            f"{WIDTH * (place + 0.5) / _BUCKETS:.1f},{HEIGHT * (1 - value / most):.1f}"
            for place, value in enumerate(values)
        )
        for name, values in lines.items()
    }
    return Plot(title, f"{most:,.1f}", drawn)
