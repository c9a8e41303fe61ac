"""The page about clients says what test_clients.py found, which pytest runs before this."""

from tests.clients.drivers import CLIENTS, ROOT
from tests.clients.table import Table

PAGE = ROOT / "docs" / "compatibility.md"
FOUND = ROOT / "build" / "compatibility.md"


def test_page_is_what_the_clients_saw(table: Table) -> None:
    assert set(table.versions) == set(CLIENTS), "All of tests/clients must run for this."
    FOUND.parent.mkdir(exist_ok=True)
    FOUND.write_text(table.render(), encoding="utf-8")

    is_current = PAGE.read_text(encoding="utf-8") == table.render()

    assert is_current, f"{PAGE} is out of date: what was found is in {FOUND}"
