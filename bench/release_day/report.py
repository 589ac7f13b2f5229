"""The results of a release day, as text and as HTML."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jinja2

from bench.release_day import costs
from bench.release_day.clients import Tally
from bench.release_day.costs import Month
from bench.release_day.servers import Work

type Bills = tuple[dict[str, float], dict[str, float]]

WIDTH, HEIGHT = 760, 260


class Sample(NamedTuple):
    """Seconds since the release, bytes that clients received, bytes that origins sent, clients that have finished."""

    time: float
    received: int
    origin: int
    done: int


@dataclass
class Phase:
    name: str
    tally: Tally
    work: Work
    edge: dict[str, int]
    samples: list[Sample]


class Row(NamedTuple):
    what: str
    before: str
    after: str
    factor: str = ""


def table(before: Phase, after: Phase, bills: Bills, month: Month, size: int) -> str:
    """Return the rows as text, followed by the bill of the month."""
    lines = [_line(Row("", before.name, after.name, "factor"))]
    lines += [_line(row) for row in rows(before, after, size)]
    lines += ["", f"A month of {assumptions(month, size)}, at list prices ({costs.PRICES['as_of']}):"]
    lines += [_line(row) for row in bill(bills)]
    return "\n".join(lines)


def rows(before: Phase, after: Phase, size: int) -> list[Row]:
    """Return the measurements of both phases, side by side."""
    edge = after.edge
    return [
        _compared("requests to the origins", before.work.requests, after.work.requests, ",.0f"),
        _compared("bytes sent by the origins, MB", before.work.bytes / 1e6, after.work.bytes / 1e6, ",.1f"),
        _compared("bytes sent by the origins, in packages", before.work.bytes / size, after.work.bytes / size, ",.2f"),
        _compared("CPU time of the origins, s", before.work.cpu_seconds, after.work.cpu_seconds, ",.2f"),
        Row("requests of the clients", f"{before.tally.requests:,}", f"{after.tally.requests:,}"),
        Row("requests collapsed by the edge", "", f"{edge['CollapsedRequests']:,}"),
        Row("cache hit ratio of the edge", "", f"{edge['CacheHits'] / edge['Requests']:.1%}"),
        Row("downloads resumed with a range", f"{before.tally.resumed:,}", f"{after.tally.resumed:,}"),
        Row("failed requests, retried", f"{before.tally.failures:,}", f"{after.tally.failures:,}"),
        Row("wrong hashes", f"{before.tally.wrong:,}", f"{after.tally.wrong:,}"),
        Row("last client sees the release after, s", f"{max(before.tally.seen):.1f}", f"{max(after.tally.seen):.1f}"),
        Row("half of the clients have it after, s", _median(before), _median(after)),
        _compared("last client has it after, s", max(before.tally.done), max(after.tally.done), ",.1f"),
    ]


def bill(bills: Bills) -> list[Row]:
    """Return the items of both bills and their totals."""
    items = dict.fromkeys([*bills[0], *bills[1]])
    without, with_edge = (sum(side.values()) for side in bills)
    shown = [Row(item, _dollars(bills[0].get(item)), _dollars(bills[1].get(item))) for item in items]
    return [*shown, Row("total", _dollars(without), _dollars(with_edge), f"{without / with_edge:,.2f}")]


def _dollars(amount: float | None) -> str:
    return "" if amount is None else f"${amount:,.2f}"


def assumptions(month: Month, size: int) -> str:
    return (
        f"{month.clients:,} clients, {month.releases} releases of {size / 1e6:g} MB, each fetched within "
        f"{month.rush_hours:g} hours, {month.polls} polls of the index by each client"
    )


def page(before: Phase, after: Phase, bills: Bills, month: Month, clients: int, size: int) -> str:
    """Return the results as HTML, with plots of the bytes that clients received and origins sent over time."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    phases = (before, after)
    last = max(phase.samples[-1].time for phase in phases)
    most = max(max(sample.received, sample.origin) for phase in phases for sample in phase.samples)
    return environment.get_template("page.html").render(
        clients=clients,
        size=size,
        phases=phases,
        rows=rows(before, after, size),
        bill=bill(bills),
        assumptions=assumptions(month, size),
        prices=costs.PRICES,
        width=WIDTH,
        height=HEIGHT,
        last=last,
        most=most,
        plots=[
            (
                phase.name,
                _points([(sample.time / last, sample.received / most) for sample in phase.samples]),
                _points([(sample.time / last, sample.origin / most) for sample in phase.samples]),
            )
            for phase in phases
        ],
    )


def _median(phase: Phase) -> str:
    return f"{statistics.median(phase.tally.done):.1f}"


def _points(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{x * WIDTH:.1f},{HEIGHT - y * HEIGHT:.1f}" for x, y in [(0, 0), *places])


def _compared(what: str, before: float, after: float, form: str) -> Row:
    return Row(what, f"{before:{form}}", f"{after:{form}}", f"{before / after:,.1f}" if after else "")


def _line(row: Row) -> str:
    return f"{row.what:44} {row.before:>18} {row.after:>18} {row.factor:>10}".rstrip()
