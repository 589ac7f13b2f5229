"""Draws the deployed systems as one Mermaid diagram: `make screenshots` writes it into the README.

The graph is that of the console, read from the deployed stacks. One box stands for all resources of a kind in an app.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

_LEFT_OUT = ("rule", "secret", "user pool", "workgroup", "database", "IoT rule")
"""Kinds that are no place where data stays or passes. What they join is joined without them."""

_STORES = ("table", "bucket")
_START, _END = "<!-- make screenshots writes this part -->\n", "<!-- the end of what make screenshots writes -->"

type Box = tuple[str, str]
"""An app and a kind."""


def diagram(graph: Mapping[str, Any]) -> str:
    """Return the graph of `sandbox.console.graph` as Mermaid."""
    box_of = {node["id"]: (node["app"], node["kind"]) for node in graph["nodes"]}
    edges = _joined({(edge["source"], edge["target"]) for edge in graph["edges"]}, box_of)
    boxes = Counter(box for box in box_of.values() if box[1] not in _LEFT_OUT)
    lines = ["flowchart LR"]
    for app in dict.fromkeys(app for app, _ in sorted(boxes)):
        # By default Mermaid draws an app downwards if it joins no other one.
        lines += [f"    subgraph {app}", "        direction LR"]
        lines += [f"        {_id(box)}{_shape(box[1], boxes[box])}" for box in sorted(boxes) if box[0] == app]
        lines.append("    end")
    arrows = {(box_of[source], box_of[target]) for source, target in edges}
    lines += [f"    {_id(source)} --> {_id(target)}" for source, target in sorted(arrows) if source != target]
    return "\n".join(lines)


def write(file: Path, graph: Mapping[str, Any]) -> None:
    """Write the diagram between the marks of *file*."""
    before, _, rest = file.read_text().partition(_START)
    after = rest.partition(_END)[2]
    file.write_text(f"{before}{_START}```mermaid\n{diagram(graph)}\n```\n{_END}{after}")


def _joined(edges: set[tuple[str, str]], box_of: Mapping[str, Box]) -> set[tuple[str, str]]:
    """Return the edges between what is shown: those through a node that is left out become one."""
    for node in [node for node, (_, kind) in box_of.items() if kind in _LEFT_OUT]:
        before = [source for source, target in edges if target == node]
        after = [target for source, target in edges if source == node]
        edges = {edge for edge in edges if node not in edge} | set(product(before, after))
    return edges


def _id(box: Box) -> str:
    return re.sub(r"\W", "_", f"{box[0]}_{box[1]}")


def _shape(kind: str, count: int) -> str:
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + "s"
    text = kind if count == 1 else f"{count} {plural}"
    return f"[({text})]" if kind in _STORES else f"[{text}]"
