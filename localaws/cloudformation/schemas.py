"""`python -m localaws.cloudformation.schemas`: write the schemas of resource types from cfn-lint, which has AWS's own.

The file has a line for each resource type that localaws creates: the type, a tab, and the schema as JSON without its
texts. `attributes` lists the attributes that Fn::GetAtt returns. Only this command needs cfn-lint.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-type-schemas.html
"""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("schemas.jsonl")
REGION = "us-east-1"

KEYWORDS = {
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "definitions",
    "dependentExcluded",
    "dependentRequired",
    "enum",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "patternProperties",
    "primaryIdentifier",
    "properties",
    "required",
    "requiredOr",
    "requiredXor",
    "type",
    "uniqueItems",
}
"""The keywords that `property_errors` checks, and what it needs beside them."""


@cache
def _lines() -> dict[str, str]:
    return dict(line.split("\t", 1) for line in FILE.read_text().splitlines())


@cache
def schema(resource_type: str) -> dict[str, Any] | None:
    """Return the schema of a resource type, or None if there is none."""
    line = _lines().get(resource_type)
    return json.loads(line) if line else None


def compact(schema: Any) -> Any:
    """Return a schema with only the keywords in KEYWORDS."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for keyword in sorted(schema.keys() & KEYWORDS):
        value = schema[keyword]
        if keyword in ("properties", "patternProperties", "definitions"):
            kept[keyword] = {name: compact(value[name]) for name in sorted(value)}
        elif keyword in ("allOf", "anyOf", "oneOf"):
            kept[keyword] = [compact(part) for part in value]
        else:
            kept[keyword] = compact(value)
    return kept


def generate() -> str:
    """Return the content of the file. Needs cfn-lint."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER as SCHEMAS
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    from localaws.emulator import GAPS

    for gap in GAPS:
        if gap in ("cloudwatch.composite_alarms", "dax.clusters", "iam.access_key"):
            import_module(f"localaws.{gap}").apply()
    lines = []
    for kind in sorted(_RESOURCE_HANDLERS):
        found = SCHEMAS.get_resource_schema(REGION, kind)
        document = compact(found.schema) | {"attributes": sorted(found.get_atts)}
        lines.append(f"{kind}\t{json.dumps(document, separators=(',', ':'))}\n")
    return "".join(lines)


if __name__ == "__main__":
    FILE.write_text(generate())
