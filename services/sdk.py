"""Clients of an app's API, made of its openapi.json by well-kept generators: ``<app>-<language>/``."""

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


class NotMade(Exception):
    """The generator failed; the message is what it printed."""


def make(app: str, language: str, into: Path = ROOT / "dist" / "sdk") -> Path:
    """Make the client anew in a folder of its own *into* another, and return it. Raises NotMade."""
    folder = into / f"{app}-{language}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    {"python": _python, "typescript": _typescript}[language](app, folder)
    return folder


def _python(app: str, folder: Path) -> None:
    """A package with a function for each operation, on httpx and attrs."""
    generator = [str(_BIN / "openapi-python-client"), "generate", "--path", f"{app}/openapi.json"]
    _run([*generator, "--output-path", str(folder), "--overwrite"])


def _typescript(app: str, folder: Path) -> None:
    """A compiled module: the types of all paths, and the fetch client that they are for."""
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
        raise NotMade(done.stdout + done.stderr)
