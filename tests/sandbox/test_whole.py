"""The diagram of the whole in the README."""

from __future__ import annotations

from pathlib import Path

from sandbox import whole

GRAPH = {
    "nodes": [
        {"id": "a.Api", "app": "a-app", "kind": "API"},
        {"id": "a.One", "app": "a-app", "kind": "function"},
        {"id": "a.Two", "app": "a-app", "kind": "function"},
        {"id": "a.Photos", "app": "a-app", "kind": "bucket"},
        {"id": "a.Uploaded", "app": "a-app", "kind": "rule"},
        {"id": "b.Queue", "app": "b-app", "kind": "queue"},
    ],
    "edges": [
        {"source": "a.Api", "target": "a.One"},
        {"source": "a.One", "target": "a.Photos"},
        {"source": "a.Photos", "target": "a.Uploaded"},
        {"source": "a.Uploaded", "target": "a.Two"},
        {"source": "a.One", "target": "a.Two"},
        {"source": "a.Two", "target": "b.Queue"},
    ],
}


def test_a_box_is_a_kind_of_an_app_and_rules_are_left_out(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# It\n{whole._START}old\n{whole._END}\nMore.\n")

    whole.write(readme, GRAPH)

    expected = f"""# It
{whole._START}```mermaid
flowchart LR
    subgraph a-app
        direction LR
        a_app_API[API]
        a_app_bucket[(bucket)]
        a_app_function[2 functions]
    end
    subgraph b-app
        direction LR
        b_app_queue[queue]
    end
    a_app_API --> a_app_function
    a_app_bucket --> a_app_function
    a_app_function --> a_app_bucket
    a_app_function --> b_app_queue
```
{whole._END}
More.
"""
    assert readme.read_text() == expected
