"""The OpenAPI document of an import: its text, and the base path of its resources.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api-basePath.html
"""

import json
from typing import Any
from urllib.parse import urlsplit

import yaml

MODES = ("ignore", "prepend", "split")


def parse(text: bytes) -> dict[str, Any]:
    """Return the document of JSON or YAML. Raises ValueError."""
    try:
        document = json.loads(text) if text.lstrip().startswith(b"{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError("Invalid OpenAPI input.") from error
    if not isinstance(document, dict):
        raise ValueError("Invalid OpenAPI input.")
    return document


def base_path(document: dict[str, Any]) -> str:
    """Return the base path of Swagger 2.0, or that of the first server: its only variable, or the path of its URL."""
    if "swagger" in document:
        return str(document.get("basePath", "")).strip("/")
    server = (document.get("servers") or [{}])[0]
    variables = server.get("variables") or {}
    if "basePath" in variables:
        return str(variables["basePath"].get("default", "")).strip("/")
    return urlsplit(str(server.get("url", ""))).path.strip("/")


def with_base_path(document: dict[str, Any], mode: str) -> dict[str, Any]:
    """Return the document with the base path before its paths: all of it, or all but the first segment."""
    if mode not in MODES:
        raise ValueError(f"Invalid basepath mode: {mode}")
    segments = base_path(document).split("/")
    prefix = {"ignore": [], "prepend": segments, "split": segments[1:]}[mode]
    before = "".join(f"/{segment}" for segment in prefix if segment)
    paths = {before + path if path != "/" else before or "/": item for path, item in document.get("paths", {}).items()}
    return document | {"paths": paths}
