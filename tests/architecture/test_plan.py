"""The floor plan, held by tests: sizes, docstrings, one home for everything."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "grok2api"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(
    path for path in (ROOT / "lua").rglob("*.lua") if path.parent.name not in ("lua", "include")
)

MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 60
# May only shrink.
LONG_MODULES: frozenset[str] = frozenset()
LONG_FUNCTIONS: frozenset[str] = frozenset()


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert ast.get_docstring(parsed(path)), "a module says its responsibility in its docstring"
    if name_of(path) not in LONG_MODULES:
        assert text.count("\n") <= MAX_MODULE_LINES


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py"], ids=name_of)
def test_package_holds_only_its_docstring(path: Path) -> None:
    assert len(parsed(path).body) == 1


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_function_fits_on_a_screen(path: Path) -> None:
    long = {
        f"{name_of(path)}:{node.name}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    }

    assert long <= LONG_FUNCTIONS


def test_exceptions_are_still_needed() -> None:
    for name in LONG_MODULES:
        assert (ROOT / name).read_text(encoding="utf-8").count("\n") > MAX_MODULE_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_stand_at_the_top(path: Path) -> None:
    inner = [
        node.lineno
        for function in ast.walk(parsed(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert inner == []


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("grok2api")}


def test_every_module_is_reached_from_a_command_or_the_app() -> None:
    modules = {
        name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for path in MODULES
    }
    # The worker class is named in gunicorn.conf.py, which imports nothing of it; what sends spans
    # is imported by its name, where a collector is.
    by_name = ["grok2api.web.server", "grok2api.telemetry.otel"]
    reached, waiting = set[str](), ["grok2api.__main__", "grok2api.app", *by_name]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in modules:
            continue
        reached.add(name)
        parts = name.split(".")
        waiting += [".".join(parts[:n]) for n in range(1, len(parts))]
        waiting += imports_of(modules[name])

    assert set(modules) - reached == set()


def test_every_script_has_its_test_file() -> None:
    missing = [
        name_of(script)
        for script in SCRIPTS
        if not (ROOT / "tests" / "lua" / script.parent.name / f"test_{script.stem}.py").exists()
    ]

    assert SCRIPTS
    assert missing == []


def test_every_script_is_called_by_the_store() -> None:
    store = "\n".join(p.read_text(encoding="utf-8") for p in (PACKAGE / "store").glob("*.py"))

    unused = [s for s in SCRIPTS if f'"{s.parent.name}/{s.stem}"' not in store]

    assert unused == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_script_is_short_and_names_its_keys_first(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = [line for line in text.splitlines() if line.strip() and not line.startswith("--")]

    assert len(code) <= 80
    assert "cjson" not in text
    assert re.search(r"-- @cost", text)


def test_no_file_names_a_package_index_or_an_address_in_the_lock() -> None:
    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8")

    assert "://" not in lock
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.]+", line) for line in lock.splitlines())
