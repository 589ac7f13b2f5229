"""The page `docs/parity.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from localaws.coverage import parameters, properties
from localaws.iam import condition_keys
from localaws.parity.differences import known
from localaws.parity.suites import Result, Suite

type Run = tuple[Suite, dict[str, Result]]
"""A suite and its results on localaws."""

HEAD = """\
# Parity with AWS

`make parity AWS_CASES="…/localstack …/moto"` runs cases that were validated on AWS against the local AWS, and writes
this page. The cases are those of [LocalStack](https://github.com/localstack/localstack) that are marked `aws.validated`
and compare with answers recorded on AWS, and those of [moto](https://github.com/getmoto/moto) that are marked
`aws_verified`. Nobody of this project wrote them, and nothing of them is kept here: `AWS_CASES` names a checkout of
each.

The run fails if a case differs that [`known/`](../localaws/parity/known/) does not list, or if a listed case
has become equal. [`suites.toml`](../localaws/parity/suites.toml) says which cases are selected, and why others are left
out.
"""


def page(runs: list[Run], bare: dict[str, int]) -> str:
    """Return the whole page. *bare* has the number of equal cases of the bare emulator by suite."""
    return "\n".join([HEAD, *_table(runs, bare), *_differences(runs), *_left_out(runs), *_without_effect()])


def _table(runs: list[Run], bare: dict[str, int]) -> Iterator[str]:
    yield "## Results\n"
    yield "*Equal*: the case passes. *In full*: also what the suite itself does not compare is as recorded.\n"
    yield "| suite | used for | selected | could run | bare emulator equal | localaws equal | in full | localaws |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    totals: Counter[str] = Counter()
    for suite, results in runs:
        counts = Counter(
            selected=len(results),
            ran=sum(result.verdict != "skipped" for result in results.values()),
            equal=sum(result.verdict == "equal" for result in results.values()),
            full=sum(result.equal_in_full for result in results.values()),
        )
        totals += counts
        yield _row(suite.name, suite.used_for, counts, str(bare.get(suite.name, "not counted")))
    yield _row("**all**", "", totals, "") + "\n"


def _row(name: str, used_for: str, counts: Counter[str], bare: str) -> str:
    share = f"{100 * counts['equal'] // max(counts['ran'], 1)} %"
    figures = [counts["selected"], counts["ran"], bare, counts["equal"], counts["full"], share]
    return "| " + " | ".join([name, used_for, *map(str, figures)]) + " |"


def _differences(runs: list[Run]) -> Iterator[str]:
    yield "## What differs, and what it means for who deploys\n"
    yield "| suite | cases | difference | consequence |"
    yield "|---|--:|---|---|"
    for suite, _ in runs:
        for difference in known(suite):
            cells = (suite.name, str(len(difference.cases)), difference.because, difference.consequence)
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _left_out(runs: list[Run]) -> Iterator[str]:
    yield "## What is left out\n"
    yield "Besides cases that need Docker, another runtime than Python, or LocalStack's own process:\n"
    for suite, _ in runs:
        for group in suite.without:
            yield f"* {suite.name}: {group['because']}"
    yield ""


def _without_effect() -> Iterator[str]:
    refused = sum(len(operation["parameters"]) for operation in parameters.unread())
    yield "## What is accepted without an effect\n"
    yield (
        "A property of CloudFormation, a parameter of an API or a condition key that has no effect here is refused\n"
        "with `NotImplemented`, unless it is listed below. Of the services that Chalice apps use, nothing here reads\n"
        f"{refused} parameters.\n"
    )
    yield "### Properties of CloudFormation resources\n"
    yield properties.table()
    yield "### Parameters of operations\n"
    yield parameters.table()
    yield "### Condition keys of policies\n"
    yield "| condition key | reason |\n|---|---|"
    for key, reason in sorted(condition_keys.LISTED.items()):
        yield f"| `{key}` | {reason} |"
    yield ""
