"""Gap: a target group identifies its targets by address only, so it keeps one port of each address.

On AWS, a target is an address and a port: "You can register the same target with the same target group multiple times
using different ports."
AWS: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html
No longer needed when DescribeTargetHealth returns two targets after two ports of one address are registered.
"""

from typing import Any

from ministack.services import alb

type Target = dict[str, Any]


def _key(target: Target, group: dict[str, Any]) -> tuple[str, int]:
    return target["Id"], int(target.get("Port") or group["Port"])


def register(params: Any) -> Any:
    return _change(params, "RegisterTargets", lambda registered, given: registered | given)


def deregister(params: Any) -> Any:
    return _change(
        params, "DeregisterTargets", lambda registered, given: {k: v for k, v in registered.items() if k not in given}
    )


def _change(params: Any, action: str, change: Any) -> Any:
    arn = alb._p(params, "TargetGroupArn")
    group = alb._tgs.get(arn)
    if group is None:
        return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")
    registered = {_key(target, group): target for target in alb._targets.get(arn, [])}
    given = {_key(target, group): target for target in alb._parse_targets_param(params)}
    alb._targets[arn] = list(change(registered, given).values())
    return alb._empty(action)


def apply() -> None:
    alb._ACTION_MAP |= {"RegisterTargets": register, "DeregisterTargets": deregister}
