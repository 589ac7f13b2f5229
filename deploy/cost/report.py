"""The report of `make cost`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from deploy import planned, stacks, updates
from deploy.cost.idle import DAX, STAGE_CACHE, detailed_metrics, idle
from deploy.cost.prices import Item, file, hours, total, usage
from deploy.cost.units import UNITS, Unit, functions, of_unit
from deploy.planned import Parameters, Stack


def of_stage(stage: str, released: Sequence[str], given: Parameters) -> Iterator[str]:
    """Yield the lines of the report on a stage of the account, or on one that a release would make."""
    deployed, known = _deployed(stage, released)

    def kept(stack: str) -> Parameters:
        return deployed.get(stack, {})

    if updates.stack(stage) in deployed:
        given = {"Template": updates.template_of(stage) or "after", **given}
    pseudo = {"AWS::Region": file()["region"]}
    own, with_dax = (planned.stacks(stage, released, {**given, **more}, kept, pseudo) for more in ({}, {"Dax": "true"}))
    yield from report(stage, own, with_dax, known)


def _deployed(stage: str, released: Sequence[str]) -> tuple[Mapping[str, Parameters], str]:
    """Return by stack the parameters that the stage has, and where they are from."""
    names = {stack.name for stack in planned.stacks(stage, released, {"Dax": "true"})}
    try:
        found = {name: stacks.parameters_of(name) for name in names & stacks.existing()}
    except (BotoCoreError, ClientError) as error:
        return {}, f"defaults of the templates, because the account did not answer ({error})"
    return found, "those of the deployed stage" if found else "defaults of the templates: there is no such stage"


def report(stage: str, stacks: Sequence[Stack], with_dax: Sequence[Stack], known: str) -> Iterator[str]:
    """Yield the lines of the report. *with_dax* are the stacks with DAX; *known* says where the parameters are from."""
    prices, found = file(), functions(stacks)
    yield f"Prices of {prices['date']} in {prices['region']}, USD, without free tiers; parameters: {known}."
    yield ""
    yield f"{stage}, while nobody uses it{'USD a month':>38}"
    items = idle(stacks)
    for app in sorted({item.app for item in items}):
        own = [item for item in items if item.app == app]
        yield f"  {app:<52}{total(own):>10.2f}"
        for what in dict.fromkeys(item.what for item in own):
            yield f"    {what:<50}{total(item for item in own if item.what == what):>10.2f}"
    yield f"  {'total':<52}{total(items):>10.2f}"
    metrics, boards = "detailed metrics add, if every method is called", "`make dashboards` adds"
    dashboards = [Item(app, "dashboards", "dashboard", 1) for app in {stack.app for stack in stacks}]
    added = ((metrics, total(detailed_metrics(stacks))), (boards, total(dashboards)))
    for name, amount in (*_caches(items, idle(with_dax)), *added):
        yield f"    {name:<50}{amount:>10.2f}"
    yield ""
    yield f"a million of{'USD':>50}{'with its cache':>40}"
    for unit in UNITS:
        if not any(stack.app == unit.app for stack in stacks):
            continue
        count = 1 if unit.name.startswith("hours") else 1_000_000
        without = of_unit(unit, count, found)
        cached = f"{of_unit(unit, count, found, usage('hits')):>10.2f}  {unit.cache}, {usage('hits'):.0%} hits"
        yield f"  {_named(unit, count):<50}{without:>10.2f}{'  ' + cached if unit.cache else ''}"
    if left_out := [name for name, each in prices["prices"].items() if "usd" not in each]:
        yield f"Not counted, because the price was not found: {', '.join(left_out)}."


def _caches(items: Sequence[Item], with_dax: Sequence[Item]) -> Iterator[tuple[str, float]]:
    """Yield what each cache adds while nobody uses it, whether the stage has it or not."""
    stage_cache = [item for item in items if item.what == STAGE_CACHE]
    one = [Item("", STAGE_CACHE, "api_cache_0_5", hours())]
    yield "a stage cache adds" if not stage_cache else "of it the stage cache", total(stage_cache or one)
    dax = [item for item in items if item.what.startswith(DAX)]
    yield "DAX adds" if not dax else "of it DAX", total(dax or [item for item in with_dax if item.what.startswith(DAX)])
    yield "CloudFront adds", 0.0


def _named(unit: Unit, count: float) -> str:
    return unit.name if count > 1 else f"(one of the) {unit.name}"
