"""`make mutants`: change the code in small ways, one at a time, and count the changes that the unit tests notice.

cosmic-ray makes the changes and keeps the results: a session for each module, in `.mutants/sessions`. A run continues
where the last one stopped. What was noticed stays noticed until its module changes. What was not is tried again when
anything has changed. The code is changed in a copy of the working tree, `.mutants/tree`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path

from bench.mutants import targets
from bench.mutants.kinds import KINDS
from bench.mutants.reasons import Reasons
from bench.mutants.session import Mutant, Session
from bench.mutants.tests import Tests

FOLDER = targets.ROOT / ".mutants"


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
    tree = targets.copy_tree(FOLDER / "tree")
    for name in arguments.app or targets.names():
        _run(targets.target(name), tree, arguments)
    return None


def _run(target: targets.Target, tree: Path, arguments: argparse.Namespace) -> None:
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
    print(f"{target.name}: {len(mutants)} mutants, {len(open_)} of them to try", flush=True)
    if open_:
        with Tests(target, tree) as tests:
            for number, mutant in enumerate(open_, 1):
                found = mutant.try_on(tests, version)
                print(f"{number}/{len(open_)} {mutant}: {found}", file=sys.stderr, flush=True)
    _report(target, mutants)


def _place(mutant: Mutant) -> str:
    """Return a key that sorts mutants in an order that is random, but always the same: so a larger sample has more."""
    return hashlib.sha256(mutant.key.encode()).hexdigest()


def _report(target: targets.Target, mutants: list[Mutant]) -> None:
    reasons = Reasons()
    survivors = [mutant for mutant in mutants if mutant.survived]
    unexplained = [mutant for mutant in survivors if not reasons.has(mutant)]
    for mutant in sorted(unexplained, key=lambda mutant: mutant.key):
        print(f"  {mutant}")
    counts = Counter(mutant.survived for mutant in mutants)
    killed = counts[False]
    explained = len(survivors) - len(unexplained)
    score = 100 * killed / max(1, len(mutants) - explained)
    print(
        f"{target.name}: {len(mutants)} mutants, {killed} noticed, {explained} change nothing (reasons.toml), "
        f"{len(unexplained)} not noticed: {score:.1f} %"
    )


if __name__ == "__main__":
    sys.exit(main())
