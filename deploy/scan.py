"""`python -m deploy.scan`, or `make scan`: name each locked version that has a known vulnerability.

pip-audit asks https://osv.dev about the Python packages, and npm asks its registry about those of Node.js. So both need
the network. Exit codes: 0 nothing is known, 1 something is known or a lock file could not be checked.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

from deploy.apps import ROOT
from deploy.command import run_command
from deploy.errors import DeployError

PIP_AUDIT = ".licenses/bin/pip-audit"
REQUIREMENTS = "requirements-test.txt"
"""Has every package of every zip, of the suite on this machine and of its tests."""
NPM_LOCKS = ("package-lock.json", "docs/site/package-lock.json")


class NotScanned(DeployError):
    """A tool did not answer; the message is its own."""


def main() -> str | None:
    """Print what is known of each lock file; return an error message if it is anything, or if one is not checked."""
    locks = (REQUIREMENTS, *NPM_LOCKS)
    known, unchecked = 0, 0
    for lock in locks:
        try:
            found = _python() if lock == REQUIREMENTS else _node(lock)
        except NotScanned as error:
            print(f"{lock}: not checked: {error}", flush=True)
            unchecked += 1
            continue
        print(f"{lock}: {len(found)} known vulnerabilities", *found, sep="\n  ", flush=True)
        known += len(found)
    problems = []
    if known:
        problems.append(f"{known} known vulnerabilities, listed above: make lock UPGRADE=1 takes newer versions")
    if unchecked:
        problems.append(f"{unchecked} of {len(locks)} lock files not checked: connect to osv.dev and npm's registry")
    return f"scan failed: {'; '.join(problems)}" if problems else None


def _python() -> list[str]:
    options = ["--disable-pip", "--require-hashes", "--vulnerability-service", "osv", "--format", "json"]
    report = _report([PIP_AUDIT, *options, "--progress-spinner", "off", "-r", REQUIREMENTS])
    return [
        f"{package['name']} {package['version']}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'none'}"
        for package in report["dependencies"]
        for each in package.get("vulns", [])
    ]


def _node(lock: str) -> list[str]:
    folder = str((ROOT / lock).parent)
    report = _report(["npm", "audit", "--package-lock-only", "--json", "--fetch-retries=0", "--prefix", folder])
    if "vulnerabilities" not in report:
        raise NotScanned(report.get("message") or "npm audit gave no report")
    return [
        f"{name} {package['range']}: {cause['title']} {cause['url']}"
        for name, package in report["vulnerabilities"].items()
        for cause in package["via"]
        if isinstance(cause, dict)  # a text names a package of its own line
    ]


def _report(command: list[str]) -> dict[str, Any]:
    """Run a tool and return its JSON. Raises NotScanned with the last line of its errors."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NotScanned(f"{command[0]} is not installed") from None
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotScanned(f"{command[0]}: {lines[-1]}") from None
    return report


if __name__ == "__main__":
    run_command(main)
