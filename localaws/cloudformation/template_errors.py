"""Gap: CloudFormation accepts templates with a wrong structure, unknown references and keys of mappings, and cycles.

As on AWS, such a template fails CreateStack, UpdateStack and CreateChangeSet, and no stack changes. A reference to a
resource whose condition is false counts as unknown, except in the branch of `Fn::If` that does not apply.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
No longer needed when CreateStack answers ValidationError to a template with a Ref to a resource that does not exist.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from ministack.services.cloudformation import changesets, engine, handlers

from localaws.cloudformation.conditions import stack_name

SECTIONS = {
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",  # SAM
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
}
ATTRIBUTES = {
    "Condition",
    "Connectors",  # SAM
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Description",
    "IgnoreGlobals",  # SAM
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
    "Version",
}
PSEUDO_PARAMETERS = {
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
}
TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])')
"""A text, or a comma after the last member of an object or list: CloudFormation accepts it, though JSON has none."""
FORMAT = "Template format error: "
JOIN = (
    "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings "
    "to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
)
SPLIT = (
    "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be "
    "split or a function that returns a string to be split."
)
SELECT = "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"
GET_ATT = (
    "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource "
    "attribute"
)
EQUALS = "Template error: every Fn::Equals object requires a list of 2 string parameters."
IF = "Template error: Fn::If requires a list argument with three elements"
FIND_IN_MAP = (
    "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for "
    "return value"
)


class TemplateError(ValueError):
    """A template that AWS refuses; the text is AWS's message."""


def parsed(parse: Any) -> Any:
    """Wrap the parser to refuse a text that is not JSON or YAML, and a template of a wrong structure."""

    def parse_template(text: str) -> Any:
        try:
            template = parse(TRAILING_COMMA.sub(r"\1\2", text) if text.lstrip().startswith("{") else text)
        except json.JSONDecodeError as error:
            message = f"JSON not well-formed. (line {error.lineno}, column {error.colno + 1})"
            raise TemplateError(FORMAT + message) from None
        except yaml.YAMLError:
            raise TemplateError(FORMAT + "YAML not well-formed.") from None
        except ValueError:
            raise TemplateError(FORMAT + "unsupported structure.") from None
        if not any("Fn::ForEach" in name for name in template.get("Resources") or {}):
            check_structure(template)
        return template

    return parse_template


def check_structure(template: dict[str, Any]) -> None:
    """Raise TemplateError unless each section has the form that AWS requires."""
    if unknown := sorted(set(template) - SECTIONS):
        raise TemplateError(f"{FORMAT}Invalid template property or properties [{', '.join(unknown)}]")
    if path := next(nulls(template), None):
        raise TemplateError(f"[{path}] 'null' values are not allowed in templates")
    resources = template.get("Resources")
    if not resources or not isinstance(resources, dict):
        raise TemplateError(FORMAT + "At least one Resources member must be defined.")
    for name, resource in resources.items():
        check_name("Resource", name)
        check_resource(name, resource)
    for name, parameter in (template.get("Parameters") or {}).items():
        check_name("Parameter", name)
        check_member(parameter, "Type", "Every Parameters object must contain a Type member.")
    for name, mapping in (template.get("Mappings") or {}).items():
        check_mapping(name, mapping)
    for output in (template.get("Outputs") or {}).values():
        check_member(output, "Value", "Every Outputs member must contain a Value object")


def check_member(value: Any, name: str, message: str) -> None:
    if not isinstance(value, dict) or name not in value:
        raise TemplateError(FORMAT + message)


def nulls(value: Any, path: str = "") -> Iterator[str]:
    if value is None:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from nulls(member, f"{path}/{name}")


def check_name(kind: str, name: str) -> None:
    if not (name.isascii() and name.isalnum()):
        raise TemplateError(f"{FORMAT}{kind} name {name} is non alphanumeric.")


def check_resource(name: str, resource: Any) -> None:
    if not isinstance(resource, dict):
        raise TemplateError(FORMAT + "Any Resources member must be an object.")
    if "Fn::Transform" in resource:
        return
    if not isinstance(resource.get("Type"), str):
        raise TemplateError(f"{FORMAT}[/Resources/{name}] Every Resources object must contain a Type member.")
    if unknown := sorted(resource.keys() - ATTRIBUTES):
        raise TemplateError(f"Invalid template resource property '{unknown[0]}'")


def check_mapping(name: str, mapping: Any) -> None:
    if not isinstance(mapping, dict):
        raise TemplateError(f"{FORMAT}Every Mappings member {name} must be a map")
    for key, attributes in mapping.items():
        if "Fn::Transform" in (key, *mapping):
            return
        if not isinstance(attributes, dict):
            raise TemplateError(f"{FORMAT}Every Mappings member {key} must be a map")
        for value in attributes.values():
            if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value)):
                raise TemplateError(FORMAT + "Every Mappings attribute must be a String or a List.")


def without_prefix(error: Any) -> Any:
    """Wrap the emulator's error answers: it puts `Template format error: ` before the text of each parser error."""

    def answer(code: str, message: str, *status: Any) -> Any:
        text = message.removeprefix(FORMAT)
        if text.startswith(("Template ", "Invalid template resource", "[/")):
            message = text
        return error(code, message, *status)

    return answer


def check_references(template: dict[str, Any], conditions: dict[str, bool], parameters: dict[str, Any]) -> None:
    """Raise TemplateError for a reference to nothing, a wrong argument of a function, or a cycle."""
    resources = template.get("Resources") or {}
    active = {name: body for name, body in resources.items() if applies(body, conditions, "Resources")}
    walk = References(template, conditions, parameters, set(active))
    for resource in active.values():
        walk.visit(resource.get("Properties") or {}, "Resources")
        dependencies = resource.get("DependsOn") or []
        for name in [dependencies] if isinstance(dependencies, str) else dependencies:
            if name not in resources:
                raise TemplateError(unresolved(name, "Resources"))
    for output in (template.get("Outputs") or {}).values():
        if applies(output, conditions, "Outputs"):
            walk.visit(output, "Outputs")
    check_cycles(active)


def applies(member: dict[str, Any], conditions: dict[str, bool], section: str) -> bool:
    name = member.get("Condition")
    if name is not None and name not in conditions:
        raise TemplateError(f"{FORMAT}Unresolved condition dependency {name} in the {section} block of the template")
    return name is None or conditions[name]


def unresolved(name: str, section: str) -> str:
    # Recorded on AWS: the text of a reference in Outputs has no prefix.
    prefix = FORMAT if section == "Resources" else ""
    return f"{prefix}Unresolved resource dependencies [{name}] in the {section} block of the template"


class References:
    """The check of the functions in a template whose active resources and conditions are known."""

    def __init__(
        self, template: dict[str, Any], conditions: dict[str, bool], values: dict[str, Any], active: set[str]
    ) -> None:
        self._parameters = set(template.get("Parameters") or {})
        self._mappings = template.get("Mappings") or {}
        self._conditions, self._values, self._active = conditions, values, active

    def visit(self, value: Any, section: str) -> None:
        if isinstance(value, list):
            for item in value:
                self.visit(item, section)
        if not isinstance(value, dict):
            return
        for name, argument in value.items():
            check_argument(name, argument)
            if name == "Fn::If":
                self._check_condition(argument[0])
                self.visit(argument[1] if self._conditions[argument[0]] else argument[2], section)
                continue
            if name in ("Ref", "Fn::GetAtt", "Fn::Sub"):
                self._check_names(name, {name: argument}, section)
            self.visit(argument, section)
            if name == "Fn::FindInMap":
                self._check_key(argument)

    def _check_condition(self, name: str) -> None:
        if name not in self._conditions:
            raise TemplateError(f"Template error: unresolved condition dependency {name} in Fn::If")

    def _check_key(self, argument: list[Any]) -> None:
        try:
            engine.find_in_map(argument, self._mappings, self._resolve)
        except ValueError as error:
            raise TemplateError(str(error)) from error

    def _resolve(self, value: Any) -> Any:
        return engine._resolve_refs(value, {}, self._values, self._conditions, self._mappings, stack_name.get(), "")

    def _check_names(self, function: str, call: dict[str, Any], section: str) -> None:
        for name, attribute in engine._intrinsic_references(call):
            if name in self._active or (attribute is None and name in self._parameters | PSEUDO_PARAMETERS):
                continue
            if function == "Fn::GetAtt":
                raise TemplateError(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
            raise TemplateError(unresolved(name, section))


def is_string_and(argument: Any, size: int) -> bool:
    return isinstance(argument, list) and len(argument) == size and isinstance(argument[0], str)


def is_resource_and_attribute(argument: Any) -> bool:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    return isinstance(parts, list) and len(parts) >= 2 and all(parts)


ARGUMENTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "Fn::Equals": (lambda argument: isinstance(argument, list) and len(argument) == 2, EQUALS),
    "Fn::FindInMap": (lambda argument: isinstance(argument, list) and len(argument) in (3, 4), FIND_IN_MAP),
    "Fn::GetAtt": (is_resource_and_attribute, GET_ATT),
    "Fn::If": (lambda argument: is_string_and(argument, 3), IF),
    "Fn::Join": (lambda argument: is_string_and(argument, 2) and not isinstance(argument[1], str), JOIN),
    "Fn::Select": (lambda argument: isinstance(argument, list) and len(argument) == 2, SELECT),
    "Fn::Split": (lambda argument: is_string_and(argument, 2), SPLIT),
}
"""By function: whether it takes an argument, and AWS's message if it does not."""


def check_argument(function: str, argument: Any) -> None:
    """Raise TemplateError for an argument that a function does not take."""
    takes, message = ARGUMENTS.get(function, (lambda argument: True, ""))
    if not takes(argument):
        raise TemplateError(message)


def check_cycles(resources: dict[str, Any]) -> None:
    """Raise TemplateError if resources depend on each other, or on themselves."""
    waiting = {name: engine._extract_deps(body, set(resources)) for name, body in resources.items()}
    while ready := {name for name, dependencies in waiting.items() if not dependencies & waiting.keys()}:
        waiting = {name: dependencies for name, dependencies in waiting.items() if name not in ready}
    if waiting:
        raise TemplateError(f"Circular dependency between resources: [{', '.join(sorted(waiting))}]")


def with_references(validate: Any) -> Any:
    def validate_template(template: dict[str, Any], conditions: dict[str, bool], **options: Any) -> None:
        validate(template, conditions, **options)
        if not template.get("Transform") and options.get("params") is not None:
            check_references(template, conditions, options["params"])

    return validate_template


def with_known_conditions(evaluate: Any) -> Any:
    """Wrap the evaluation of conditions, which fails with KeyError on a condition that does not exist."""

    def evaluate_conditions(template: dict[str, Any], parameters: dict[str, Any]) -> Any:
        definitions = template.get("Conditions") or {}
        for expression in definitions.values():
            check_condition(expression, set(definitions), set(template.get("Parameters") or {}))
        return evaluate(template, parameters)

    return evaluate_conditions


def check_condition(expression: Any, definitions: set[str], parameters: set[str]) -> None:
    if isinstance(expression, list):
        for item in expression:
            check_condition(item, definitions, parameters)
    if not isinstance(expression, dict):
        return
    for name, argument in expression.items():
        check_argument(name, argument)
        if name == "Condition" and argument not in definitions:
            raise TemplateError(
                f"{FORMAT}Unresolved condition dependency {argument} in the Conditions block of the template"
            )
        if name == "Ref" and argument not in parameters | PSEUDO_PARAMETERS:
            raise TemplateError(
                f"{FORMAT}Unresolved dependencies [{argument}]. "
                "Cannot reference resources in the Conditions block of the template"
            )
        check_condition(argument, definitions, parameters)


def apply() -> None:
    for module in (handlers, changesets):
        module._parse_template = parsed(module._parse_template)
        module._error = without_prefix(module._error)
        module._evaluate_conditions = with_known_conditions(module._evaluate_conditions)
        module.validate_template_support = with_references(module.validate_template_support)
