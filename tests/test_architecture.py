"""The house rules that a reader relies on: who may import whom, and how large a room may be."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "domain",
    "ingest",
    "analytics",
    "alerting",
    "storage",
    "api",
    "service",
    "simulators",
    "compiled",
)
MAY_IMPORT = {
    "domain": set(),
    "compiled": set(),
    "ingest": {"domain", "compiled"},
    "analytics": {"domain", "compiled"},
    "alerting": {"domain"},
    "storage": {"domain", "compiled"},
    "api": {"domain"},
    "simulators": {"domain", "ingest.wire"},
}
DOMAIN_OUTSIDE = {"numpy"}
FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 60

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported_modules(path: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return modules


def is_under(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_stands_below_it(package):
    allowed = MAY_IMPORT[package] | {package}
    for path in (ROOT / package).rglob("*.py"):
        for module in imported_modules(path):
            if module.split(".")[0] in PACKAGES:
                assert any(is_under(module, name) for name in allowed), f"{path}: {module}"


def test_the_domain_needs_only_numpy_and_the_standard_library():
    for path in (ROOT / "domain").rglob("*.py"):
        for module in imported_modules(path):
            top = module.split(".")[0]
            assert top in DOMAIN_OUTSIDE | {"domain"} or top in sys.stdlib_module_names, (
                f"{path}: {module}"
            )


def test_nothing_below_the_service_reads_a_clock_in_judgement():
    for package in ("domain", "analytics", "alerting"):
        for path in (ROOT / package).rglob("*.py"):
            for module in imported_modules(path):
                assert not is_under(module, "time"), f"{path} imports {module}"
            assert ".now(" not in path.read_text(encoding="utf-8"), f"{path} reads a clock"


def test_only_the_connection_speaks_mqtt_in_ingest():
    speakers = [
        path.name
        for path in (ROOT / "ingest").rglob("*.py")
        if any(is_under(module, "paho") for module in imported_modules(path))
    ]
    assert speakers == ["connection.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_is_small_enough_to_read(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES_MAX, f"{path} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        compiled = any("njit" in ast.dump(decorator) for decorator in node.decorator_list)
        lines = (node.end_lineno or node.lineno) - node.lineno
        assert compiled or lines <= FUNCTION_LINES_MAX, f"{path}:{node.lineno} {node.name}"
