"""`make mutants`: change the code in small ways, one at a time, and count the changes that the unit tests notice.

cosmic-ray makes the changes and keeps the results: a session for each module, in `.mutants/sessions`. A run continues
where the last one stopped. What was noticed stays noticed until its module changes. What was not is tried again when
anything has changed. The code is changed in a copy of the working tree, `.mutants/tree`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import copies
from bench.mutants import targets
from bench.mutants.kinds import KINDS
from bench.mutants.reasons import Reasons
from bench.mutants.session import Mutant, Session
from bench.mutants.tests import Tests

FOLDER = copies.ROOT / ".mutants"


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m bench.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--app", action="append", help="an app, or common; may be repeated (default: all)")
    parser.add_argument("--sample", type=int, help="only so many mutants of each, always the same ones")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only changes of this kind; may be repeated")
    parser.add_argument("--module", help="only this module, for example readings")
    arguments = parser.parse_args()
    unknown = set(arguments.app or ()) - set(targets.names())
    if unknown:
        return f"{', '.join(unknown)}: must be one of {', '.join(targets.names())}"
    tree = copies.copy_tree(FOLDER / "tree")
    scores = [_run(targets.target(name), tree, arguments) for name in arguments.app or targets.names()]
    return _report(scores)


@dataclass(frozen=True)
class Score:
    """The mutants of a target: how many a test noticed, and those that none did. *stale* are wrong reasons."""

    name: str
    noticed: int
    explained: int
    unexplained: list[Mutant]
    stale: list[str]

    def __str__(self) -> str:
        count = self.noticed + len(self.unexplained)
        return (
            f"{self.name:<13} {self.noticed:>5} of {count:>5} noticed {100 * self.noticed / max(1, count):>6.1f} %"
            f" {self.explained:>5} change nothing"
        )


def _run(target: targets.Target, tree: Path, arguments: argparse.Namespace) -> Score:
    sessions = [
        Session(FOLDER / "sessions", tree, module)
        for module in target.modules(tree)
        if arguments.module in (None, module.stem)
    ]
    wanted = {operator for kind in arguments.kind or KINDS for operator in KINDS[kind]}
    mutants = [mutant for session in sessions for mutant in session.mutants() if mutant.operator in wanted]
    mutants = sorted(mutants, key=_place)[: arguments.sample]
    version = targets.version(tree, target)
    open_ = [mutant for mutant in mutants if mutant.is_open(version)]
    print(f"{target.name}: {len(mutants)} mutants, {len(open_)} of them to try", file=sys.stderr, flush=True)
    if open_:
        with Tests(target, tree) as tests:
            for number, mutant in enumerate(open_, 1):
                found = mutant.try_on(tests, version)
                print(f"{number}/{len(open_)} {mutant}: {found}", file=sys.stderr, flush=True)
    reasons = Reasons()
    survivors = [mutant for mutant in mutants if mutant.survived]
    unexplained = sorted((mutant for mutant in survivors if not reasons.has(mutant)), key=lambda mutant: mutant.key)
    return Score(
        target.name,
        len(mutants) - len(survivors),
        len(survivors) - len(unexplained),
        unexplained,
        list(reasons.stale(sessions, mutants)),
    )


def _place(mutant: Mutant) -> str:
    """Return a key that sorts mutants in an order that is random, but always the same: so a larger sample has more."""
    return hashlib.sha256(mutant.key.encode()).hexdigest()


def _report(scores: list[Score]) -> str | None:
    """Print what no test noticed and the scores. Return what is wrong with reasons.toml, if anything is."""
    for mutant in (mutant for score in scores for mutant in score.unexplained):
        print(mutant)
    for score in scores:
        print(score)
    stale = [line for score in scores for line in score.stale]
    return "\n".join(["reasons.toml has entries that are wrong; remove them:", *stale]) if stale else None


if __name__ == "__main__":
    sys.exit(main())
