"""Generates clients of an app's API from its openapi.json, each in a folder ``<app>-<language>/``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from deploy.apps import ROOT

LANGUAGES = ("python", "typescript")
_BIN = Path(sys.executable).parent
_INDEX = """import createFetchClient, { type Client, type ClientOptions } from "openapi-fetch";
import type { paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

/** Returns a client whose paths, parameters, bodies and answers are those of the API. */
export const createClient = (options: ClientOptions): Client<paths> => createFetchClient<paths>(options);
"""


class GeneratorFailed(Exception):
    """The generator of a client failed; the message is what it printed."""


def make(app: str, language: str, into: Path = ROOT / "dist" / "sdk") -> Path:
    """Generate the client in a new folder below *into*, and return that. Raises GeneratorFailed."""
    folder = into / f"{app}-{language}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    {"python": _python, "typescript": _typescript}[language](app, folder)
    return folder


def _python(app: str, folder: Path) -> None:
    """Generate a package with a function for each operation, based on httpx and attrs."""
    generator = [str(_BIN / "openapi-python-client"), "generate", "--path", f"{app}/openapi.json"]
    _run([*generator, "--output-path", str(folder), "--overwrite"])


def _typescript(app: str, folder: Path) -> None:
    """Generate a compiled module: the types of all paths, and a fetch client that uses them."""
    sources = folder / "src"
    sources.mkdir(parents=True, exist_ok=True)
    _run(["node_modules/.bin/openapi-typescript", f"{app}/openapi.json", "--output", str(sources / "schema.ts")])
    needs = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    package = {
        "name": f"{app}-client",
        "version": "1.0.0",
        "type": "module",
        "main": "index.js",
        "types": "index.d.ts",
        "dependencies": {"openapi-fetch": needs["openapi-fetch"]},
    }
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n")
    (sources / "index.ts").write_text(_INDEX)
    # The libraries' own declarations are not checked again: that takes four times as long as the client itself.
    options = ["--declaration", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
    _run(["node_modules/.bin/tsc", *options, "--outDir", str(folder), str(sources / "index.ts")])


def _run(command: list[str]) -> None:
    path = f"{_BIN}{os.pathsep}{os.environ['PATH']}"  # the generator formats with ruff
    environment = os.environ | {"PATH": path}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GeneratorFailed(done.stdout + done.stderr)
