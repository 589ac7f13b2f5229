"""`make attack`: runs the attacks on a stage."""

from __future__ import annotations

import sys

from deploy import order, stages, updates
from deploy.attack import runner
from deploy.attack.caches import Deception, Edge
from deploy.attack.case import Attack
from deploy.attack.devices import Devices
from deploy.attack.exposure import Origins, Secrets, Stages
from deploy.attack.framing import EdgeFraming, GatewayFraming
from deploy.attack.inputs import Bombs, Json, Patterns, Texts
from deploy.attack.links import Links
from deploy.attack.paths import Films, Pages, Reports, Servers, Uploads
from deploy.attack.payments import Payments
from deploy.attack.scripts import Scripts
from deploy.attack.tokens import Signatures, Tokens
from deploy.attack.users import Users
from deploy.errors import NotAttacked, NotDeployed

ATTACKS: tuple[type[Attack], ...] = (
    *(Tokens, Signatures, Links, Payments, Users, Stages, Edge, Deception, GatewayFraming, EdgeFraming),
    *(Uploads, Films, Pages, Reports, Servers, Scripts, Json, Patterns, Texts, Bombs, Devices, Origins, Secrets),
)


def attack(stage: str, app: str = "all", wanted: str = "") -> None:
    """Attack the apps of the stage, or one of them, by the cases whose names contain *wanted*.

    Raises NotAttacked if an attack was admitted or could not be tried, and NotDeployed.
    """
    deployed = stages.of(stage) + ([order.UPDATES] if updates.template_of(stage) else [])
    chosen = [each for each in ATTACKS if each.app in deployed and app in ("all", each.app)]
    if not chosen:
        raise NotDeployed(f"{stage} has nothing to attack: make release STAGE={stage}")
    tried = runner.run(chosen, stage, wanted, _show)
    if not tried:
        raise NotAttacked(f"no case has {wanted!r} in its name")
    print(*runner.table(tried), sep="\n")
    for outcome in ("admitted", "not tried"):
        found = [each for each in tried if each.outcome == outcome]
        if found:
            raise NotAttacked(f"{len(found)} {outcome}, the first: {found[0]}")


def _show(tried: runner.Tried) -> None:
    sys.stdout.write(f"{tried}\n")
    sys.stdout.flush()
