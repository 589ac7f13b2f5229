"""`python -m localaws.coverage FILE...`: print the properties that templates set and that have no effect here.

A line has the resource type, the path of the property and, if it is a listed exception, the consequence. Without it, a
stack with the property fails. The command deploys the templates in its own process, to an AWS that is empty; so it
finds nothing in resources whose creation needs something outside their template.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from localaws.coverage.properties import exceptions


def unread(texts: list[str]) -> set[tuple[str, str]]:
    """Return type and path of each property that the templates set and no handler reads."""
    os.environ |= {"AUTH": "true", "LOG_LEVEL": "CRITICAL", "STATE_DIR": tempfile.mkdtemp()}
    import ministack.app  # noqa: F401  # the gap modules patch it

    from localaws.emulator import GAPS

    for gap in GAPS:
        import_module(f"localaws.{gap}").apply()
    from localaws.cloudformation import unread_properties

    found: set[tuple[str, str]] = set()

    def note(resource_type: str, unread: Iterable[str]) -> None:
        found.update((resource_type, path) for path in unread if unread_properties.is_declared(resource_type, path))

    unread_properties.refuse = note
    for number, text in enumerate(texts):
        asyncio.run(_deploy(f"stack-{number}", text))
    return found


async def _deploy(name: str, text: str) -> None:
    from ministack.services import cloudformation
    from ministack.services.cloudformation import engine, stacks

    template = engine._apply_transforms(engine._parse_template(text))
    parameters = {
        key: {"Value": str(definition.get("Default", "unknown")), "Type": definition["Type"], "NoEcho": False}
        for key, definition in template.get("Parameters", {}).items()
    }
    stack_id = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{name}/0"
    stack = {"StackName": name, "StackId": stack_id, "_resources": {}, "Tags": [], "_disable_validation": True}
    cloudformation._stacks[name] = stack
    await stacks._deploy_stack_async(name, stack_id, template, parameters, True, [])
    if stack["StackStatus"] != "CREATE_COMPLETE":
        print(f"{name}: {stack['StackStatusReason']}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m localaws.coverage")
    parser.add_argument("file", nargs="+", type=Path)
    texts = [file.read_text() for file in parser.parse_args().file]
    for resource_type, path in sorted(unread(texts)):
        consequence = exceptions().get(resource_type, {}).get(path, "refused")
        print(f"{resource_type}\t{path}\t{consequence}")
    sys.stdout.flush()
    os._exit(0)  # the emulator's threads do not end


if __name__ == "__main__":
    main()
