"""The page of metrics as Prometheus reads it: names, units, help; what is shipped to read it."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.telemetry.exposition import full_page

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "grok2api.json"
RULES = DEPLOY / "prometheus" / "alerts.yml"
SUFFIXES = ("_bucket", "_count", "_sum", "_total")
BASE_UNITS = {"_seconds", "_bytes"}
NOT_BASE_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kb|mb|percent|kilobytes)(_|$)")
GAUGES_OF_THINGS = ("_info", "_up", "_present", "_epoch")


def value(text: str, beginning: str) -> float:
    [line] = [line for line in text.splitlines() if line.startswith(f"{beginning} ")]
    return float(line.rsplit(" ", 1)[1])


def families() -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(full_page())}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\b(?:g2a|gen_ai)_[a-z_]+", text))


def known_names() -> set[str]:
    labels = {
        label
        for family in families().values()
        for sample in family.samples
        for label in sample.labels
    }
    samples = {sample.name for family in families().values() for sample in family.samples}
    return samples | labels


def test_every_metric_has_a_help_text_and_says_its_unit() -> None:
    for name, family in families().items():
        assert family.documentation.endswith("."), name
        assert family.samples, name
        assert not NOT_BASE_UNITS.search(name), name
        assert re.match(r"(g2a|gen_ai)_", name), name
        text = full_page()
        is_counter = f"# TYPE {name}_total counter" in text
        assert (family.type == "counter") == is_counter, name
        if family.type == "histogram" and not name.endswith("_token_usage"):
            assert name.endswith(tuple(BASE_UNITS)), name


def test_facts_of_all_hosts_are_on_the_page() -> None:
    text = full_page()

    assert value(text, 'g2a_pool_accounts{kind="grok_web",status="active",tier="basic"}') == 3
    assert value(text, 'g2a_pool_leases{kind="grok_web",tier="basic"}') == 2
    assert value(text, 'g2a_pool_units_settled_total{kind="grok_web",tier="basic"}') == 7
    assert value(text, "g2a_waiting_requests") == 5
    assert value(text, 'g2a_media_bytes{kind="image"}') == 4096
    assert value(text, 'g2a_batches{state="running"}') == 1
    assert value(text, 'g2a_video_jobs{state="unfinished"}') == 2
    assert value(text, "g2a_leader_present") == 1
    assert value(text, "g2a_leader_epoch") == 8
    assert 'g2a_media_limit_bytes{kind="input"}' not in text


def test_without_its_store_the_page_says_so_and_keeps_the_rest() -> None:
    text = full_page(None)

    assert value(text, "g2a_store_up") == 0
    assert "g2a_pool_accounts" not in text
    assert "g2a_leader_present" not in text
    assert value(text, "g2a_requests_in_flight") == 1


@pytest.mark.parametrize("path", [DASHBOARD, RULES], ids=lambda path: path.name)
def test_what_is_shipped_reads_metrics_that_exist(path: Path) -> None:
    used = names_in(path.read_text(encoding="utf-8"))

    assert used
    assert used - known_names() == set()


@pytest.mark.parametrize("path", [DASHBOARD, RULES], ids=lambda path: path.name)
def test_what_is_shipped_asks_for_labels_that_its_metrics_have(path: Path) -> None:
    labels = {
        sample.name: set(sample.labels)
        for family in families().values()
        for sample in family.samples
    }
    text = path.read_text(encoding="utf-8").replace('\\"', '"')

    for name, given in re.findall(r"\b((?:g2a|gen_ai)_[a-z_]+)\{([^}]*)\}", text):
        assert set(re.findall(r"([a-z_]+)[!=]=?~?\"", given)) <= labels[name], (name, given)
    for names in re.findall(r"\bby \(([^)]*)\)", text):
        by = set(names.split(", ")) - {"le"}
        assert any(by <= of for of in labels.values()), names


def test_the_dashboard_is_whole() -> None:
    board = msgspec.json.decode(DASHBOARD.read_bytes())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]

    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert all(panel["title"] for panel in panels)


def test_every_metric_is_explained() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    written = names_in(page)
    names = {
        f"{name}_total" if family.type == "counter" else name for name, family in families().items()
    }

    assert names - written == set()
    assert written - names - known_names() == set()
