"""The zip and the template of an app: they are of one stage alone, and the same on every machine."""

from __future__ import annotations

import io
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import cache_from_source
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from chalice.deploy.packager import LambdaDeploymentPackager

from deploy import apps, bytecode, packager, packages, packaging, policies
from deploy.errors import PackageFailed

ROOT = Path(__file__).parent.parent.parent
OUTPUTS = {"table": "receipts", "queue": "purchases", "sender": "receipts@shop.example"}
CHALICE = (str(Path(sys.executable).with_name("chalice")),)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of receipts-app, with the settings of two stages."""
    shutil.copytree(ROOT / "common", tmp_path / "common", ignore=shutil.ignore_patterns("__pycache__"))
    project = tmp_path / "receipts-app"
    ignored = shutil.ignore_patterns("deployed", "deployments", "stages", "__pycache__")
    shutil.copytree(ROOT / "receipts-app", project, symlinks=True, ignore=ignored)
    (project / "chalicelib" / "stages").mkdir()
    for stage in ("local", "qa"):
        (project / "chalicelib" / "stages" / f"{stage}.json").write_text(json.dumps(OUTPUTS | {"table": stage}))
        policies.write(project, stage, dict.fromkeys(policies.places(project), "x"))
    return project


def chalice(command: tuple[str, ...], project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "STAGE"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    line = [*command, *arguments]
    return subprocess.run(line, cwd=project, env=environment, capture_output=True, text=True, check=False)


def packaged(project: Path, stage: str) -> tuple[Path, bytes]:
    """Return the folder with the template, and the zip."""
    folder = project.parent / "packages" / stage
    folder.parent.mkdir(exist_ok=True)
    done = chalice(apps.CHALICE, project, "package", "--stage", stage, "--merge-template", "merge.yaml", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, (folder / "deployment.zip").read_bytes()


def test_a_stage_that_no_file_lists_is_made(project: Path) -> None:
    done = chalice(apps.CHALICE, project, "package", "--stage", "qa", "out")

    assert done.returncode == 0, done.stdout + done.stderr
    template = json.loads((project / "out" / "sam.json").read_text())
    functions = [r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::Function"]
    assert {function["Environment"]["Variables"]["STAGE"] for function in functions} == {"qa"}


@pytest.mark.parametrize("command", [("package", "out"), ("deploy",)])
def test_chalice_itself_refuses_such_a_stage_in_one_line(project: Path, command: tuple[str, ...]) -> None:
    done = chalice(CHALICE, project, *command, "--stage", "qa")

    assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert "STAGE is not set" in done.stderr
    assert ".chalice/config.json" in done.stderr


@pytest.mark.parametrize(
    ("code", "said"), [("os.kill(os.getpid(), 9)", "`chalice package` ended with status -9"), ("a.b", "NameError")]
)
def test_a_package_that_fails_says_why(project: Path, tmp_path: Path, code: str, said: str) -> None:
    (project / "app.py").write_text(f"import os\n{code}\n")

    succeeded, output = packager.package(project, "qa", tmp_path / "out", apps.chalice_environment(), tmp_path / "lock")

    assert not succeeded
    assert said in output


def test_a_zip_has_the_settings_of_its_own_stage_alone(project: Path) -> None:
    (project / "chalicelib" / "__pycache__").mkdir()
    (project / "chalicelib" / "__pycache__" / "old.pyc").touch()

    for stage in ("qa", "local"):
        _, content = packaged(project, stage)
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
        assert [name for name in names if "/stages/" in name] == [f"chalicelib/stages/{stage}.json"]
        assert "chalicelib/__pycache__/old.pyc" not in names
        assert {"app.py", "chalice/app.py", "common/settings.py", "msgspec/__init__.py"} <= set(names)


def test_the_zip_is_the_same_on_every_machine(project: Path) -> None:
    _, first = packaged(project, "qa")
    (project / ".chalice" / "deployments").rename(project / "kept")
    for file in project.rglob("*.py"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
        file.chmod(0o600)

    _, second = packaged(project, "qa")

    assert second == first
    entries = zipfile.ZipFile(io.BytesIO(first)).infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}, "zlibs compress differently"


def imported(folder: Path, statement: str, environment: dict[str, str], *options: str) -> str:
    """Return what Python prints when it runs a statement in *folder*, where it writes nothing, as in Lambda."""
    command = [sys.executable, *options, "-c", statement]
    environment = os.environ | environment | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_python_loads_the_compiled_code_of_every_module_unless_its_source_was_edited(
    project: Path, tmp_path: Path
) -> None:
    _, content = packaged(project, "qa")
    task = tmp_path / "task"
    zipfile.ZipFile(io.BytesIO(content)).extractall(task)
    environment = {name: f"arn:aws:sqs:us-east-1:0:{name}" for name in ("TABLE", "QUEUE", "SENDER")} | {"STAGE": "qa"}

    loaded = imported(task, "import app, chalicelib.wiring, msgspec", environment, "-v")

    for module in ("app", "chalice/app", "chalicelib/receipts", "common/settings", "msgspec/__init__"):
        assert f"# code object from {cache_from_source(str(task / f'{module}.py'))!r}" in loaded, module

    (task / "common" / "times.py").write_text("print('edited')")
    assert "edited" in imported(task, "import common.times", {})


def test_compiled_code_has_no_references_which_depend_on_the_process_that_compiles_it() -> None:
    files = {file.name: file for file in (ROOT / "common").glob("*.py")}

    for name, content in bytecode.compiled(files).items():
        code = content[16:]  # after the header: https://peps.python.org/pep-0552/
        assert marshal.dumps(marshal.loads(code), 2) == code, name  # noqa: S302


def test_a_module_that_cannot_be_compiled_is_left_to_the_import(tmp_path: Path) -> None:
    for name, text in (("good.py", "A = 1"), ("bad.py", "A ="), ("data.txt", "A = 1")):
        (tmp_path / name).write_text(text)

    compiled = bytecode.compiled({file.name: file for file in tmp_path.iterdir()})

    assert [name.split(".")[0] for name in compiled] == ["__pycache__/good"]


def test_a_renamed_file_makes_a_new_zip(project: Path) -> None:
    _, first = packaged(project, "qa")
    (project / "chalicelib" / "mails" / "receipt.txt").rename(project / "chalicelib" / "mails" / "other.txt")

    _, second = packaged(project, "qa")

    assert second != first


def test_an_interrupted_command_leaves_no_half_zip(project: Path) -> None:
    packaged(project, "qa")
    deployments = project / ".chalice" / "deployments"

    assert [file.suffix for file in deployments.iterdir()] == [".zip"]


@pytest.mark.parametrize("app", apps.names())
def test_every_function_of_a_release_has_its_stage(app: str) -> None:
    """It overrides the stage with which the template was packaged."""
    merged = yaml.safe_load(json.dumps(apps.template(app, "app")))["Resources"]
    functions = json.loads((ROOT / app / ".chalice" / "config.json").read_text())["lambda_functions"]
    named = {"APIHandler" if name == "api_handler" else "".join(map(str.title, name.split("_"))) for name in functions}

    assert {name for name in named if merged[name]["Properties"]["Environment"]["Variables"]["STAGE"]} == named


def test_a_layer_is_the_same_on_every_machine() -> None:
    """It has nothing that an installer writes: paths of this machine, or the version of a build tool."""
    names = zipfile.ZipFile(io.BytesIO(apps.layer(ROOT / "deploy" / "dax-requirements.txt"))).namelist()

    assert "python/amazondax/__init__.py" in names
    assert [name for name in names if ".dist-info/" in name or name.startswith("python/bin/")] == []


def test_the_packages_of_two_architectures_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def builder(machine: str) -> Any:
        def install(abi: str, requirements: str, folder: str) -> None:
            Path(folder, machine).touch()

        return SimpleNamespace(_machine=machine, build_site_packages=install)

    monkeypatch.setattr(packages, "KEPT", tmp_path / "kept")
    for machine in ("x86_64", "aarch64"):
        packager: Any = SimpleNamespace(
            _dependency_builder=builder(machine), _RUNTIME_TO_ABI=LambdaDeploymentPackager._RUNTIME_TO_ABI
        )
        files = packaging.kept_packages(packager, ROOT / "receipts-app" / "requirements.txt", "python3.13")
        assert list(files) == [machine]


def test_other_settings_need_no_network(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, first = packaged(project, "qa")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (project / "chalicelib" / "stages" / "qa.json").write_text(json.dumps(OUTPUTS | {"table": "another"}))

    _, second = packaged(project, "qa")

    assert second != first


def test_other_files_of_a_layer_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements, file = ROOT / "deploy" / "dax-requirements.txt", tmp_path / "a.py"
    file.write_text("1")
    first = apps.layer(requirements, {"a.py": file})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    file.write_text("2")

    assert apps.layer(requirements, {"a.py": file}) != first


def test_packages_that_are_not_kept_need_a_network_which_one_line_says(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    requirements = project / "requirements.txt"
    requirements.write_text(f"{requirements.read_text()}# not kept\n")
    remedy = "connect to a network and run the command again"

    done = chalice(apps.CHALICE, project, "package", "--stage", "qa", "out")
    with pytest.raises(PackageFailed, match=rf"^receipts-app/requirements.txt: [^\n]+{remedy}$"):
        apps.layer(requirements)

    assert done.returncode == 1
    assert re.fullmatch(rf"Error: receipts-app/requirements.txt: [^\n]+{remedy}\n", done.stderr), done.stderr
