"""The README's first app, built and deployed as the README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from localaws import gaps

SOURCES = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", gaps.README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_first_app_works_as_the_readme_says(tmp_path: Path, free_port: Callable[[], int]) -> None:
    [code], [config], [deploy, send, down] = blocks("python"), blocks("json"), blocks("bash")
    (tmp_path / "app.py").write_text(code)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(config)
    ports = {f"LOCALAWS_{name}": str(free_port()) for name in ("PORT", "DAX_PORT", "MQTT_PORT")}
    environment = (
        os.environ | ports | {"PYTHONPATH": str(SOURCES), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    )

    try:
        done = subprocess.run(
            ["bash", "-e", "-c", deploy + send],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '{"greetings":1}' in done.stdout
    finally:
        subprocess.run(["bash", "-e", "-c", down], cwd=tmp_path, env=environment, check=True, capture_output=True)


def test_the_readme_lists_every_gap() -> None:
    assert gaps.README.read_text().endswith(gaps.MARK + "\n" + gaps.table()), "run python -m localaws.gaps"
