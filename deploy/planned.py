"""What the stacks of a stage have after a release: the resources of the templates, with the parameters of the stage.

Intrinsic functions are evaluated as far as the templates and the parameters tell. What only AWS knows, such as the id
of another resource or the output of another stack, stays a text in ``${...}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from chalice.config import Config

from deploy import apps, order, updates

type Parameters = Mapping[str, str]

ZONES = 6
"""Availability Zones that ``Fn::GetAZs`` returns here: more than any Region has. They are named zone-0, zone-1, ..."""

_NO_VALUE = object()


@dataclass(frozen=True)
class Resource:
    """A resource of a stack. Its properties are those of the template, evaluated.

    The functions of an app and its API have the types of SAM, with the settings of Chalice's configuration.
    """

    app: str
    stack: str
    logical_id: str
    type: str
    properties: dict[str, Any]


@dataclass(frozen=True)
class Stack:
    """A stack as a release deploys it: its parsed template, and the values of its parameters."""

    app: str
    name: str
    template: Mapping[str, Any]
    values: Mapping[str, Any]

    def resources(self) -> Iterator[Resource]:
        """Yield the resources whose condition holds."""
        evaluate = Evaluation(self.template, self.values)
        for logical_id, resource in self.template.get("Resources", {}).items():
            if "Type" in resource and evaluate.holds(resource.get("Condition")):
                properties = evaluate(resource.get("Properties", {}))
                yield Resource(self.app, self.name, logical_id, resource["Type"], properties)


def stacks(
    stage: str,
    released: Sequence[str],
    given: Parameters = MappingProxyType({}),
    deployed: Callable[[str], Parameters] = lambda stack: {},
    pseudo: Parameters = MappingProxyType({}),
) -> list[Stack]:
    """Return the stacks that the stage has after a release of the apps with the *given* parameters.

    *deployed* returns the parameters that a stack has now, which a release keeps; none if there is no such stack.
    *pseudo* has values of the pseudo parameters, such as ``AWS::Region``.
    """
    found: list[Stack] = []
    for app in released:
        for name, template in _templates(app, stage, given, deployed):
            own = {"Stage": stage, **apps.dax_settings(app)}
            parameters = _parameters(template, {**own, **deployed(name), **given, "Stage": stage})
            values = {**PSEUDO, **pseudo, "AWS::StackName": name, **parameters}
            found.append(Stack(app, name, _with_functions(app, stage, name, template), values))
    return found


PSEUDO = {"AWS::Region": "us-east-1", "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
"""The pseudo parameters that *pseudo* of `stacks` may leave out."""


class Evaluation:
    """The values of a template's intrinsic functions.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
    """

    def __init__(self, template: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        self._conditions = template.get("Conditions", {})
        self._mappings = template.get("Mappings", {})
        self._values = values

    def __call__(self, node: Any) -> Any:
        """Return the value of a part of the template. Members with the value AWS::NoValue are left out."""
        if isinstance(node, Mapping):
            if len(node) == 1 and (function := _FUNCTIONS.get(next(iter(node)))):
                return function(self, next(iter(node.values())))
            members = {name: self(value) for name, value in node.items()}
            return {name: value for name, value in members.items() if value is not _NO_VALUE}
        if isinstance(node, list):
            return [value for value in map(self, node) if value is not _NO_VALUE]
        return node

    def holds(self, condition: str | None) -> bool:
        """Return whether a condition of the template holds. No condition always does."""
        return condition is None or bool(self(self._conditions[condition]))

    def ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        return self._values.get(name, f"${{{name}}}")

    def sub(self, node: Any) -> str:
        text, own = node if isinstance(node, list) else (node, {})
        values = {name: self(value) for name, value in own.items()}

        def value(match: re.Match[str]) -> str:
            if match[1].startswith("!"):
                return f"${{{match[1][1:]}}}"
            return str(values[match[1]] if match[1] in values else self.ref(match[1]))

        return re.sub(r"\$\{([^}]+)\}", value, text)

    def choice(self, node: Any) -> Any:
        condition, yes, no = node
        return self(yes if self.holds(condition) else no)

    def joined(self, node: Any) -> str:
        separator, values = node
        return str(separator).join(str(value) for value in self(values))

    def split(self, node: Any) -> list[str]:
        separator, text = node
        return str(self(text)).split(separator)

    def selected(self, node: Any) -> Any:
        index, values = int(self(node[0])), self(node[1])
        return values[index] if isinstance(values, list) and index < len(values) else f"${{{values}[{index}]}}"

    def found_in_map(self, node: Any) -> Any:
        name, first, second = (self(each) for each in node[:3])
        return self(self._mappings[name][first][second])


_FUNCTIONS: dict[str, Callable[[Evaluation, Any], Any]] = {
    "Ref": Evaluation.ref,
    "Fn::Sub": Evaluation.sub,
    "Fn::If": Evaluation.choice,
    "Fn::Join": Evaluation.joined,
    "Fn::Split": Evaluation.split,
    "Fn::Select": Evaluation.selected,
    "Fn::FindInMap": Evaluation.found_in_map,
    "Fn::Equals": lambda evaluate, node: str(evaluate(node[0])) == str(evaluate(node[1])),
    "Fn::Not": lambda evaluate, node: not evaluate(node[0]),
    "Fn::And": lambda evaluate, node: all(evaluate(each) for each in node),
    "Fn::Or": lambda evaluate, node: any(evaluate(each) for each in node),
    "Condition": lambda evaluate, node: evaluate.holds(node),
    "Fn::GetAZs": lambda evaluate, node: [f"zone-{index}" for index in range(ZONES)],
    "Fn::GetAtt": lambda evaluate, node: f"${{{node if isinstance(node, str) else '.'.join(map(str, node))}}}",
    "Fn::ImportValue": lambda evaluate, node: f"${{{evaluate(node)}}}",
    "Fn::Base64": lambda evaluate, node: evaluate(node),
}


def _templates(
    app: str, stage: str, given: Parameters, deployed: Callable[[str], Parameters]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the name of each stack that a release of the app deploys, and its template."""
    if app == order.UPDATES:
        yield updates.stack(stage), updates.template(given.get("Template", "after"))
        return
    skipped = {
        "dax": not _uses_dax(app, stage, given, deployed),
        "edge": _is_standby(app, stage, given, deployed),
    }
    for kind in apps.KINDS:
        if kind in order.steps(app) and not skipped.get(kind):
            yield apps.stack(app, stage, kind), apps.template(app, kind)


def _is_standby(app: str, stage: str, given: Parameters, deployed: Callable[[str], Parameters]) -> bool:
    """Return whether this Region is the second one of the app, which has no edge: `deploy.regions`."""
    known = {**deployed(apps.stack(app, stage, "resources")), **given}
    return "HomeRegion" in apps.declared(app, "resources") and known.get("HomeRegion", "") != ""


def _uses_dax(app: str, stage: str, given: Parameters, deployed: Callable[[str], Parameters]) -> bool:
    declared = apps.declared(app, "app")
    if "Dax" not in declared:
        return False
    kept = deployed(apps.stack(app, stage, "app"))
    values: dict[str, str] = {"Dax": declared["Dax"].get("Default", "false"), **kept, **given}
    return values["Dax"] == "true"


def _parameters(template: Mapping[str, Any], supplied: Parameters) -> dict[str, Any]:
    """Return the values of the parameters that the template declares, with their types."""
    declared = template.get("Parameters", {})
    values = {name: supplied.get(name, each.get("Default", f"${{{name}}}")) for name, each in declared.items()}
    return {name: _typed(value, declared[name].get("Type", "String")) for name, value in values.items()}


def _typed(value: Any, kind: str) -> Any:
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return str(value).split(",")
    if kind == "Number" and re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
        return float(value) if "." in str(value) else int(value)
    return value


def _with_functions(app: str, stage: str, stack: str, template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the template of the app's own stack with the functions, their roles and the API that Chalice writes."""
    if app == order.UPDATES or stack != apps.stack(app, stage, "app"):
        return template
    merged = dict(template["Resources"])
    settings = json.loads((apps.ROOT / app / ".chalice" / "config.json").read_text())
    for function in settings["lambda_functions"]:
        name = _logical_id(function)
        config = Config(chalice_stage=stage, function_name=function, config_from_disk=settings)
        properties = {
            "MemorySize": config.lambda_memory_size or 128,
            "Timeout": config.lambda_timeout or 60,
            "Architectures": [config.lambda_architecture or "x86_64"],
            "ReservedConcurrentExecutions": config.reserved_concurrency,
            "Layers": config.layers,
        }
        known = {name: value for name, value in properties.items() if value is not None}
        own = merged.get(name, {}).get("Properties", {})
        merged[name] = {"Type": "AWS::Serverless::Function", "Properties": known | own}
        role = f"{''.join(word.capitalize() for word in function.split('_'))}Role"
        merged[role] = {"Type": "AWS::IAM::Role", **merged.get(role, {})}
    merged["RestAPI"] = {"Type": "AWS::Serverless::Api", **merged.get("RestAPI", {})}
    return {**template, "Resources": merged}


def _logical_id(function: str) -> str:
    """Return the logical id that Chalice gives to a function."""
    return "APIHandler" if function == "api_handler" else "".join(word.capitalize() for word in function.split("_"))
