"""Imports point one way: app, wiring, adapters, domain, common. Every rule is also run on code that breaks it."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import suite

from services import scaffold

ROOT = Path(__file__).parent.parent.parent
APPS = sorted(config.parent.parent.name for config in ROOT.glob("*/.chalice/config.json"))
GENERATED = "orders-app"

DOMAIN = re.compile(r"\bImports no AWS and no HTTP\.")
ADAPTER = re.compile(r"\bAdapter for [A-Z]")
"""The docstring of each module in chalicelib has one of the two. Only the wiring has neither."""

COMMON = {"errors", "groups", "ids", "logs", "mail", "money", "pages", "text", "times"}
"""The modules of common that a domain module may import."""

PACKAGES = {"PIL", "email_validator", "jinja2", "linkify_it", "markdown_it", "markupsafe", "msgspec", "nh3"}
"""The third-party packages that a domain module may import: they compute, and reach nothing outside the process."""

STANDARD = {
    *("__future__", "abc", "base64", "binascii", "bisect", "collections", "concurrent.futures", "contextlib"),
    *("contextvars", "copy", "csv", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib"),
    *("heapq", "hmac", "html", "io", "ipaddress", "itertools", "json", "logging", "math", "operator", "pathlib"),
    *("random", "re", "secrets", "statistics", "string", "struct", "tempfile", "textwrap", "time", "types", "typing"),
    *("unicodedata", "urllib.parse", "uuid", "warnings", "zlib", "zoneinfo"),
}
"""The modules of the standard library that a domain module may import, with the modules in them."""

HIDDEN = {"__builtins__", "__import__", "__loader__", "__spec__", "eval", "exec"}
"""Names through which a module could import what no import statement names."""

DECISIONS = (
    *(ast.If, ast.IfExp, ast.Match, ast.For, ast.While, ast.Try, ast.With, ast.Raise, ast.BoolOp, ast.Compare),
    *(ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


# The rules


@cache
def parse(text: str) -> ast.Module:
    return ast.parse(text)


def imports(file: Path) -> set[str]:
    """Return the dotted names of all imports, also of those inside functions and under TYPE_CHECKING."""
    return imported(file.read_text())


@cache
def imported(text: str) -> set[str]:
    found = set()
    for node in ast.walk(parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def packages(file: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(file)}


def docstring(file: Path) -> str:
    return " ".join((ast.get_docstring(parse(file.read_text())) or "").split())


def modules(app: Path) -> list[Path]:
    return [file for file in sorted((app / "chalicelib").rglob("*.py")) if file.stem not in ("__init__", "wiring")]


def domain(app: Path) -> list[Path]:
    return [file for file in modules(app) if DOMAIN.search(docstring(file))]


def unclassified(app: Path) -> list[str]:
    """Report modules whose docstring does not say which kind they are, or says both."""
    claims = {file.stem: [bool(kind.search(docstring(file))) for kind in (DOMAIN, ADAPTER)] for file in modules(app)}
    return [name for name, claim in claims.items() if sum(claim) != 1]


def impure(app: Path) -> list[str]:
    """Report every import of a domain module that is neither the domain's nor pure, as ``module imports name``."""
    siblings = {file.stem for file in domain(app)}
    return [
        f"{file.stem} imports {name}"
        for file in domain(app)
        for name in sorted(imports(file) | hidden(file))
        if not pure(name, siblings)
    ]


def hidden(file: Path) -> set[str]:
    """Return the names in the file through which it could import anything."""
    return {node.id for node in ast.walk(parse(file.read_text())) if isinstance(node, ast.Name)} & HIDDEN


def pure(name: str, siblings: set[str]) -> bool:
    package, _, rest = name.partition(".")
    module = rest.partition(".")[0]
    if package == "chalicelib":
        return not module or module in siblings
    if package == "common":
        return not module or module in COMMON
    return package in PACKAGES or any(f"{name}.".startswith(f"{allowed}.") for allowed in STANDARD)


def decisions(app: Path) -> list[str]:
    """Report functions of the wiring that do anything but build one object, once and from the settings."""
    functions = parse((app / "chalicelib" / "wiring.py").read_text()).body
    return [node.name for node in functions if isinstance(node, ast.FunctionDef) and not builds(node)]


def builds(function: ast.FunctionDef) -> bool:
    *steps, last = function.body
    steps = steps[1:] if ast.get_docstring(function) else steps
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return (
        [ast.unparse(decorator) for decorator in function.decorator_list] == ["cache"]
        and not arguments
        and all(isinstance(step, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign) for step in steps)
        and isinstance(last, ast.Return)
        and last.value is not None
        and not any(isinstance(node, DECISIONS) for node in ast.walk(function))
    )


def of_chalice(folder: Path) -> set[str]:
    """Report the modules of the folder that import Chalice."""
    files = [file for file in folder.rglob("*.py") if "vendor" not in file.relative_to(folder).parts]
    return {file.relative_to(folder).as_posix() for file in files if "chalice" in packages(file)}


# The code


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app as `make new-service` makes it."""
    folder = tmp_path_factory.mktemp("generated") / GENERATED
    scaffold._render(scaffold._TEMPLATE / "app", folder, scaffold._words(GENERATED))
    return folder


@pytest.fixture(params=[*APPS, GENERATED])
def app(request: pytest.FixtureRequest) -> Path:
    if request.param == GENERATED:
        folder: Path = request.getfixturevalue("generated")
        return folder
    return ROOT / str(request.param)


@pytest.fixture
def copy(app: Path, tmp_path: Path) -> Path:
    """A copy of the app, to break rules in."""
    return Path(shutil.copytree(app, tmp_path / app.name, ignore=shutil.ignore_patterns("vendor", "web")))


def test_every_module_is_domain_or_adapter(app: Path) -> None:
    assert unclassified(app) == []
    assert domain(app), "no domain at all"


def test_a_domain_module_imports_nothing_from_outside(app: Path) -> None:
    assert impure(app) == []


def test_the_modules_of_common_that_the_domain_may_import_are_pure() -> None:
    allowed = {("errors", "chalice.app"), ("logs", "pythonjsonlogger.json"), ("logs", "sys")}
    for name in COMMON:
        for imported in imports(ROOT / "common" / f"{name}.py"):
            module = imported.rpartition(".")[0]
            assert pure(imported, set()) or {(name, imported), (name, module)} & allowed, f"{name} imports {imported}"


def test_the_wiring_builds_and_decides_nothing(app: Path) -> None:
    assert decisions(app) == []


def test_only_the_app_knows_the_wiring(app: Path) -> None:
    for file in modules(app):
        assert not imports(file) & {"chalicelib.wiring", "app"}, file


def test_handlers_decide_nothing(app: Path) -> None:
    for node in parse((app / "app.py").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            assert len(node.body) <= 6, node.name
            assert not any(isinstance(inner, DECISIONS) for inner in ast.walk(node)), node.name


def test_only_the_routes_of_an_app_import_chalice(app: Path) -> None:
    assert of_chalice(app) == {"app.py"}


def test_the_modules_of_common_that_import_chalice_are_those_that_the_way_out_names() -> None:
    page = (ROOT / "docs" / "alternatives.md").read_text()

    assert of_chalice(ROOT / "common") == set(re.findall(r"`common/(\w+\.py)`", page))


@pytest.mark.parametrize(
    ("folder", "others"),
    [
        ("common", {"app", "bench", "chalicelib", "deploy", "localaws", "sandbox", "services", "tests", "updates"}),
        ("localaws", {"app", "bench", "chalicelib", "common", "deploy", "sandbox", "services", "updates"}),
        *((app, {"bench", "deploy", "localaws", "sandbox", "services", "tests", "updates"}) for app in APPS),
    ],
)
def test_a_package_does_not_know_its_users(folder: str, others: set[str]) -> None:
    # The tools of an app are its developers', and never in its zip.
    skipped = {"node_modules", "tools", "vendor"}
    files = [file for file in (ROOT / folder).rglob("*.py") if not skipped & set(file.relative_to(ROOT).parts)]

    assert files
    for file in files:
        assert not packages(file) & others, file


JOINED = {("video-app", "receipts-app"), ("receipts-app", "video-app")}
"""Apps that use each other: the shop reads receipts, which are made from its purchases."""


@pytest.mark.parametrize("name", APPS)
def test_an_app_and_its_tests_need_no_other_app(name: str) -> None:
    others = [other for other in suite.APPS if other != name and (name, other) not in JOINED]
    kinds = {".py", ".yaml", ".json", ".toml", ".js", ".html"}
    files = [
        file
        for folder in (ROOT / name, ROOT / "tests" / name)
        for file in folder.rglob("*")
        if file.suffix in kinds and file.is_file() and not {"vendor", "stages"} & set(file.relative_to(folder).parts)
    ]

    assert files
    assert [file for file in files if suite.is_about(file, others)] == []


def test_every_route_is_in_a_readme(app: Path) -> None:
    readme = "".join(file.read_text() for file in (ROOT / "README.md", app / "README.md") if file.exists())
    for node in ast.walk(parse((app / "app.py").read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "route":
            path = str(ast.literal_eval(node.args[0])).partition("{")[0].rstrip("/")
            assert f" {path}" in readme, f"{path} has no row in the README of {app.name}"


# The rules on code that breaks them


def adapter_import(app: Path) -> str:
    adapter = next(file for file in modules(app) if ADAPTER.search(docstring(file)))
    return f"from chalicelib.{adapter.stem} import anything"


@pytest.mark.parametrize(
    "line",
    [
        lambda app: "import boto3",
        lambda app: "from common import aws, rest",
        adapter_import,
        lambda app: f"if TYPE_CHECKING:\n    {adapter_import(app)}",
        lambda app: "def later():\n    import urllib3",
        lambda app: "from urllib import request",
        lambda app: "import urllib.request",
        lambda app: "from http.client import HTTPConnection",
        lambda app: "import imaplib",
        lambda app: "from smtplib import SMTP",
        lambda app: "import socket",
        lambda app: "import importlib",
        lambda app: "urllib3 = __import__('urllib3')",
        lambda app: "exec('import urllib3')",
        lambda app: "from . import wiring",
        lambda app: "from deploy import stacks",
    ],
    ids=[
        *("boto3", "common", "adapter", "type-checking", "in-function", "urllib", "urllib.request", "http.client"),
        *("imaplib", "smtplib", "socket", "importlib", "__import__", "exec", "relative", "deploy"),
    ],
)
def test_a_domain_module_that_imports_from_outside_is_reported(copy: Path, line: Callable[[Path], str]) -> None:
    files, added = domain(copy), line(copy)
    for file in files:
        file.write_text(f"{file.read_text()}\n{added}\n")

    assert {report.partition(" ")[0] for report in impure(copy)} == {file.stem for file in files}


def test_a_module_that_is_not_classified_is_reported(copy: Path) -> None:
    (copy / "chalicelib" / "new.py").write_text('"""A new module."""\n')

    assert unclassified(copy) == ["new"]


def test_another_module_that_imports_chalice_is_reported(copy: Path) -> None:
    for file in domain(copy):
        file.write_text(f"{file.read_text()}\n\ndef later():\n    from chalice.app import Response\n")

    assert of_chalice(copy) == {"app.py"} | {f"chalicelib/{file.stem}.py" for file in domain(copy)}


def wirings() -> Iterator[str]:
    yield "def handle(record):\n    return settings()"
    yield "@cache\ndef handle(record):\n    return settings()"
    yield "@cache\ndef nothing():\n    settings()"
    yield "@cache\ndef chosen():\n    return settings() or None"
    yield "@cache\ndef chosen():\n    if settings():\n        return 1\n    return 2"
    yield "@cache\ndef later():\n    return lambda: settings()"


@pytest.mark.parametrize("function", wirings())
def test_a_wiring_that_decides_is_reported(copy: Path, function: str) -> None:
    with (copy / "chalicelib" / "wiring.py").open("a") as wiring:
        wiring.write(f"\n\n{function}\n")

    assert len(decisions(copy)) == 1


@suite.of_all_apps
@pytest.mark.parametrize("benchmark", sorted((ROOT / "bench").rglob("*.py")), ids=lambda file: file.stem)
def test_a_benchmark_imports_names_that_an_app_has(benchmark: Path) -> None:
    """`make test` does not run the benchmarks, and mypy does not know which app's `chalicelib` they use."""
    for node in ast.walk(parse(benchmark.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chalicelib."):
            place = f"{str(node.module).replace('.', '/')}.py"
            names = {alias.name for alias in node.names}
            assert any(names <= _defined(ROOT / app / place) for app in APPS), f"no app has {names} in {place}"


def _defined(file: Path) -> set[str]:
    """Return the functions, classes and constants of a module, and the names that it imports."""
    body = parse(file.read_text()).body if file.exists() else []
    return {
        *(node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)),
        *(
            name.id
            for node in body
            if isinstance(node, ast.Assign)
            for name in node.targets
            if isinstance(name, ast.Name)
        ),
        *(alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names),
    }
