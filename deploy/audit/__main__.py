"""`python -m deploy.audit`: judge the templates, the permissions and the pipelines. `make audit` runs it.

Exit codes: 0 nothing to object, 1 a finding without a reason, an exception without a finding, or a tool that failed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from deploy.apps import ROOT
from deploy.audit import permissions, templates
from deploy.audit.findings import Finding, exceptions, judged
from deploy.audit.tools import Tools, transformed
from deploy.command import run_command
from deploy.errors import DeployError

WORKFLOWS = (".github/workflows/*.yml", "deploy/pipelines/*.yml")


def main() -> str | None:
    """Run the tools; return an error message if there is something to object."""
    parser = argparse.ArgumentParser(prog="python -m deploy.audit", description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".audit"), help="the environment of the tools (.audit)")
    parser.add_argument("--tool", action="append", help="only this tool")
    parser.add_argument(
        "--record", type=Path, help="a file of LOCALAWS_USED_ACTIONS: keep what it says of the roles, and end"
    )
    parser.add_argument("--stage", default="test", help="the stage that was recorded (test)")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            written = templates.write(folder)
            if arguments.record:
                _record(arguments.record, written, arguments.stage)
                return None
            return _audit(arguments.folder.resolve(), written, folder, arguments.tool)
    except DeployError as error:
        return f"audit failed: {error}"


def _record(file: Path, written: dict[str, Path], stage: str) -> None:
    roles = permissions.granted(written)
    lines = list(permissions.record(file.read_text().splitlines(), roles, stage))
    permissions.USED.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} uses of {len(roles)} roles are in {permissions.USED.relative_to(ROOT)}")


def _audit(environment: Path, written: dict[str, Path], folder: Path, only: list[str] | None) -> str | None:
    tools = Tools(environment)
    plain, by_sam = transformed(written, folder)
    after_sam = {name: file for name, file in plain.items() if file != written[name]}
    used = permissions.USED.read_text().splitlines()
    runs: dict[str, Callable[[], Iterable[Finding]]] = {
        "SAM": lambda: by_sam,
        "cfn-lint": lambda: [*tools.cfn_lint(written), *tools.cfn_lint(after_sam)],
        "checkov": lambda: tools.checkov(plain),
        "moto": lambda: tools.moto(plain),
        "workflows": lambda: tools.workflows([file for pattern in WORKFLOWS for file in sorted(ROOT.glob(pattern))]),
        "permissions": lambda: permissions.compared(permissions.granted(written), used),
    }
    if not used:
        print("permissions: not judged, because deploy/audit/used_actions.jsonl is empty (docs/audit.md)")
        del runs["permissions"]
    chosen = {name: run for name, run in runs.items() if not only or name in only}
    if set(chosen) - {"SAM", "permissions"}:
        tools.install()
    findings: list[Finding] = []
    for name, run in chosen.items():
        found = list(run())
        print(f"{name}: {len(set(found))} findings", flush=True)
        findings += found
    ran = {"check-jsonschema", "zizmor", *chosen} if "workflows" in chosen else set(chosen)
    open_, stale = judged(findings, exceptions(), ran)
    print(*open_, sep="\n", end="\n" if open_ else "")
    for each in stale:
        print(f"{each.tool} {each.rule}: nothing is found any more, so take the exception off the list")
    problems = len(open_) + len(stale)
    return f"{problems} lines above have no reason in deploy/audit/exceptions.toml" if problems else None


if __name__ == "__main__":
    run_command(main)
