"""Gap: a target group knows its targets by address alone, so of two ports on one address it keeps the first.

AWS tells targets apart by address and port: "You can register the same target with the same target group multiple
times using different ports." https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html
No longer needed when the emulator does the same.
"""

from typing import Any

from ministack.services import alb

type Target = dict[str, Any]


def _place(target: Target, group: dict[str, Any]) -> tuple[str, int]:
    return target["Id"], int(target.get("Port") or group["Port"])


def register(params: Any) -> Any:
    return _change(params, "RegisterTargets", lambda there, named: there | named)


def deregister(params: Any) -> Any:
    return _change(params, "DeregisterTargets", lambda there, named: {k: v for k, v in there.items() if k not in named})


def _change(params: Any, action: str, change: Any) -> Any:
    arn = alb._p(params, "TargetGroupArn")
    group = alb._tgs.get(arn)
    if group is None:
        return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
    there = {_place(target, group): target for target in alb._targets.get(arn, [])}
    named = {_place(target, group): target for target in alb._parse_targets_param(params)}
    alb._targets[arn] = list(change(there, named).values())
    return alb._empty(action)


def apply() -> None:
    alb._ACTION_MAP |= {"RegisterTargets": register, "DeregisterTargets": deregister}
