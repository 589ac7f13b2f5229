"""Generates clients of an app's API from its openapi.json, each in a folder ``<app>-<language>/``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from deploy.apps import ROOT

LANGUAGES = ("python", "typescript")
_BIN = Path(sys.executable).parent
_READMES = Path(__file__).parent / "client"
_INDEX = """import createFetchClient, { type Client, type ClientOptions } from "openapi-fetch";
import type { paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

/** Returns a client whose paths, parameters, bodies and answers are those of the API. */
export const createClient = (options: ClientOptions): Client<paths> => createFetchClient<paths>(options);
"""


_TSCONFIG = {
    "compilerOptions": {
        "declaration": True,
        "strict": True,
        # The libraries' own declarations are not checked again: that takes four times as long as the client itself.
        "skipLibCheck": True,
        "target": "es2022",
        "module": "nodenext",
        "rootDir": "src",
        "outDir": ".",
    },
    "files": ["src/index.ts"],
}


class GeneratorFailed(Exception):
    """The generator of a client failed; the message is what it printed."""


def make(apps: Sequence[str], language: str, into: Path = ROOT / "dist" / "sdk") -> list[Path]:
    """Generate the client of each app in a new folder below *into*, and return the folders. Raises GeneratorFailed."""
    into.mkdir(parents=True, exist_ok=True)
    folders = {app: into / f"{app}-{language}" for app in apps}
    {"python": _python, "typescript": _typescript}[language](folders)
    for app, folder in folders.items():
        (folder / "README.md").write_text(_readme(app, language))
    return list(folders.values())


def _python(folders: Mapping[str, Path]) -> None:
    """Generate packages with a function for each operation, based on httpx and attrs."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_python_package, folders, folders.values()))


def _python_package(app: str, folder: Path) -> None:
    generator = [str(_BIN / "openapi-python-client"), "generate", "--path", f"{app}/openapi.json"]
    _run([*generator, "--output-path", str(folder), "--overwrite"])


def _typescript(folders: Mapping[str, Path]) -> None:
    """Generate compiled modules: the types of all paths, and a fetch client that uses them."""
    versions = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    for app, folder in folders.items():
        (folder / "src").mkdir(parents=True, exist_ok=True)
        (folder / "src" / "index.ts").write_text(_INDEX)
        _write_json(folder / "tsconfig.json", _TSCONFIG)
        _write_json(
            folder / "package.json",
            {
                "name": f"{app}-client",
                "version": "1.0.0",
                "type": "module",
                "main": "index.js",
                "types": "index.d.ts",
                "dependencies": {"openapi-fetch": versions["openapi-fetch"]},
            },
        )
    # Each command needs a second to start, so it gets all clients at once.
    with tempfile.TemporaryDirectory() as temporary:
        outputs = {
            app: {
                "root": str(ROOT / app / "openapi.json"),
                "x-openapi-ts": {"output": str(folder.resolve() / "src" / "schema.ts")},
            }
            for app, folder in folders.items()
        }
        config = Path(temporary, "redocly.json")
        _write_json(config, {"apis": outputs})
        _run(["node_modules/.bin/openapi-typescript", "--redocly", str(config)])
    _run(["node_modules/.bin/tsc", "--build", "--force", *map(str, folders.values())])


def _readme(app: str, language: str) -> str:
    """Return the README of a client. That of the Python generator describes tokens and tools that are not ours."""
    document = json.loads((ROOT / app / "openapi.json").read_text())
    gets = {path: methods["get"] for path, methods in document["paths"].items() if "get" in methods}
    public = [path for path, get in gets.items() if not get["security"] and "{" not in path]
    # A list says more of an API than its health.
    public.sort(key=lambda path: path == "/health")
    jinja = Environment(undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False)  # noqa: S701 # no HTML
    return jinja.from_string((_READMES / f"{language}.md").read_text()).render(
        app=app,
        package=app.replace("-", "_") + "_client",
        schemes=document.get("components", {}).get("securitySchemes", {}),
        public=gets[public[0]]["operationId"] if public else None,
        public_path=public[0] if public else None,
    )


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")


def _run(command: list[str]) -> None:
    path = f"{_BIN}{os.pathsep}{os.environ['PATH']}"  # the generator formats with ruff
    environment = os.environ | {"PATH": path}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GeneratorFailed(done.stdout + done.stderr)
