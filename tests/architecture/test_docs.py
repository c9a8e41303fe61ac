"""What the documents say is what the code does."""

import re
from pathlib import Path

import pytest
from starlette.routing import Route

from grok2api.arguments import build_parser
from grok2api.cli import COMMANDS
from grok2api.web.routes import build_routes

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts)
)


def test_readme_names_every_address() -> None:
    paths = {
        re.sub(r"{model_id:path}", "{id}", route.path)
        for route in build_routes()
        if isinstance(route, Route)
    } - {"/health"}  # an alias of /readyz

    missing = {path for path in paths if f"{path}`" not in README}

    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)", text)

    broken = [link for link in links if not (page.parent / link).exists()]

    assert broken == []


def test_commands_of_the_readme_exist() -> None:
    named = set(re.findall(r"^grok2api ([a-z]+)", README, flags=re.MULTILINE))
    usage = build_parser(COMMANDS).format_help()

    assert named
    assert [name for name in named if not re.search(rf"^ +{name} ", usage, re.MULTILINE)] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")

    unlisted = [p.name for p in folder.glob("0*.md") if f"({p.name})" not in index]

    assert unlisted == []
