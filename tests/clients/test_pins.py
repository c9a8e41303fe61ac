"""The clients are pinned exactly, wherever they come from."""

import re

from tests.clients.drivers import HERE

REQUIREMENTS = (HERE / "requirements.txt").read_text(encoding="utf-8")
PACKAGES = (HERE / "node" / "package.json").read_text(encoding="utf-8")
LOCK = (HERE / "node" / "package-lock.json").read_text(encoding="utf-8")


def test_python_clients_are_pinned_exactly_and_without_addresses() -> None:
    lines = [line for line in REQUIREMENTS.splitlines() if not line.startswith("#")]

    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_node_clients_are_pinned_exactly_and_without_addresses() -> None:
    ranges = re.findall(r'": "[~^<>*][^"]*"', PACKAGES)

    assert ranges == []
    assert '"resolved"' not in LOCK
    assert '"integrity"' in LOCK
