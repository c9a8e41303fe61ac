"""What the documents say is what the code does."""

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Match, Route

from grok2api.arguments import read_arguments
from grok2api.cli import COMMANDS
from grok2api.config.fields import describe
from grok2api.config.schema import BootSettings, Settings
from grok2api.web.routes import build_routes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = {spec.key for spec in (*describe(BootSettings), *describe(Settings))}
SECTIONS = {key.rpartition(".")[0] for key in SETTINGS} | {"cache"}
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts)
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_readme_names_every_address() -> None:
    paths = {
        re.sub(r"{model_id:path}", "{id}", route.path)
        for route in build_routes()
        if isinstance(route, Route)
    } - {"/health"}  # an alias of /readyz

    missing = {path for path in paths if f"{path}`" not in README}

    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)", text)

    broken = [link for link in links if not (page.parent / link).exists()]

    assert broken == []


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield our commands in blocks of the shell, without comments and what they are piped to."""
    for block in re.findall(r"```(?:sh|bash)\n(.*?)```", text, re.DOTALL):
        for line in re.findall(r"^(?:[A-Z0-9_]+=\S+ )?grok2api (.*)$", block, re.MULTILINE):
            yield shlex.split(re.split("[|>]", line)[0], comments=True)


def names_in(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict) and f"{prefix}{name}" not in SETTINGS:
            yield from names_in(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def settings_in(text: str) -> Iterator[str]:
    """Yield the settings that are named in the text, and those that blocks of TOML set."""
    for name in re.findall(r"`([a-z_]+(?:\.[a-z0-9_]+)+)(?: = [^`]*)?`", text):
        if name.partition(".")[0] in SECTIONS and name not in SECTIONS:
            yield name
    for block in re.findall(r"```toml\n(\[.*?)```", text, re.DOTALL):
        yield from names_in(tomllib.loads(block))


def is_served(method: str, path: str) -> bool:
    filled = re.sub(r"{[^}]+}", "x", path.partition("?")[0].replace("{kind}", "refresh"))
    scope = {"type": "http", "method": method, "path": filled, "root_path": "", "headers": []}
    routes = (route for route in build_routes() if isinstance(route, Route))
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_settings_and_addresses_in_documents_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return  # it tells of what was, too
    text = page.read_text(encoding="utf-8")
    addresses = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/(?:v1|admin)/[^`\s]*)", text)

    for words in commands_in(text):
        assert read_arguments(COMMANDS, words).command
    assert [name for name in settings_in(text) if name not in SETTINGS] == []
    assert [address for address in addresses if not is_served(*address)] == []


def test_documents_are_read_by_the_tests_above() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]

    assert sum(len(list(commands_in(text))) for text in texts) > 30
    assert sum(len(list(settings_in(text))) for text in texts) > 100


def test_floor_plan_names_every_room() -> None:
    plan = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "grok2api").iterdir() if not path.name.startswith("__")}

    assert [room for room in rooms if f"{room.removesuffix('.py')}" not in plan] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")

    unlisted = [p.name for p in folder.glob("0*.md") if f"({p.name})" not in index]

    assert unlisted == []
