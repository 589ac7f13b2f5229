"""The permissions that the templates grant, compared with those that the deployed functions used.

`used_actions.jsonl` has what each role used while the end-to-end tests ran: localaws writes it if
`LOCALAWS_USED_ACTIONS` names a file, and `record` shortens it. An action that a role was denied is missing. An action
that a role may take and never took is too much, or no test takes it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from deploy import apps, order, stacks, updates
from deploy.audit.findings import Finding

USED = Path(__file__).with_name("used_actions.jsonl")

TRIAL = "trial"
"""The session in which tests/e2e/test_policies.py tries each action of a role."""

type Role = tuple[str, str]
"""The template that a role is in, such as ``todo-app/app``, and its logical id there."""

type Actions = Mapping[Role, set[str]]


def granted(templates: Mapping[str, Path]) -> Actions:
    """Return the actions that the policies in the templates allow to each role, which may contain ``*``."""
    actions: dict[Role, set[str]] = defaultdict(set)
    for name, file in templates.items():
        resources: dict[str, Any] = stacks.read(file.read_text())["Resources"]
        for logical_id, resource in resources.items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::IAM::Role":
                for policy in properties.get("Policies", []):
                    actions[name, logical_id] |= _allowed(policy["PolicyDocument"])
            elif resource["Type"] == "AWS::IAM::Policy":
                for role in properties.get("Roles", []):
                    actions[name, str(role.get("Ref", role))] |= _allowed(properties["PolicyDocument"])
    return actions


def _allowed(document: Mapping[str, Any]) -> set[str]:
    statements = document["Statement"]
    allowed: set[str] = set()
    for statement in statements if isinstance(statements, list) else [statements]:
        if statement["Effect"] == "Allow":
            actions = statement.get("Action", [])
            allowed |= {actions} if isinstance(actions, str) else set(actions)
    return allowed


def record(lines: Iterable[str], roles: Iterable[Role], stage: str) -> Iterator[str]:
    """Yield the uses that localaws wrote as lines of `used_actions.jsonl`: sorted, each once, without names of a stage.

    *lines* are localaws's of a run with the stage *stage*; *roles* are those of the templates. Uses by other roles are
    left out, and those of a test that tries what a role may do.
    """
    # CloudFormation names a role by its stack, its logical id and a suffix.
    known: dict[str, list[Role]] = defaultdict(list)  # the update servers have two templates of one stack
    for template, logical_id in roles:
        known[f"{_stack(template, stage)}-{logical_id}"].append((template, logical_id))
    uses = set()
    for line in lines:
        use = json.loads(line)
        if use["session"] == TRIAL:
            continue
        for role in known.get(use["role"].rpartition("-")[0], []):
            uses.add((*role, use["action"], use["decision"]))
    for template, logical_id, action, decision in sorted(uses):
        yield json.dumps({"template": template, "role": logical_id, "action": action, "decision": decision})


def _stack(template: str, stage: str) -> str:
    app, _, kind = template.partition("/")
    return updates.stack(stage) if app == order.UPDATES else apps.stack(app, stage, kind)


def compared(grants: Actions, lines: Iterable[str]) -> Iterator[Finding]:
    """Yield what is missing, and what is granted and was never used, with the uses of `used_actions.jsonl`.

    An action that a role was denied once and allowed another time is not missing: tests try what they must not do.
    """
    used: dict[str, dict[Role, set[str]]] = {"Allow": defaultdict(set), "Deny": defaultdict(set)}
    for line in lines:
        use = json.loads(line)
        used[use["decision"]][use["template"], use["role"]].add(use["action"])
    for role, actions in used["Deny"].items():
        for action in sorted(actions - used["Allow"][role]):
            yield Finding("permissions", f"missing {action}", " ".join(role), f"{action} was denied")
    for role, actions in grants.items():
        taken = {action.lower() for action in used["Allow"][role]}
        for action in sorted(actions):
            if not any(fnmatchcase(each, action.lower()) for each in taken):
                yield Finding("permissions", f"unused {action}", " ".join(role), f"{action} was never used")
