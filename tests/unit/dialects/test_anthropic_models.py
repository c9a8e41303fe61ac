from typing import Any

import msgspec
import pytest
from anthropic.types import ModelInfo

from grok2api.dialects.anthropic_models import parse_page_query, render_model_info, render_page
from grok2api.domain.catalogue import CATALOGUE
from grok2api.errors import InvalidRequestError

NAMES = [model.name for model in CATALOGUE]


def page(**given: str) -> dict[str, Any]:
    return dict(msgspec.json.decode(render_page(CATALOGUE, parse_page_query(**given))))


def ids(answer: dict[str, Any]) -> list[str]:
    return [model["id"] for model in answer["data"]]


def test_model_is_what_the_official_client_expects() -> None:
    info = msgspec.json.decode(render_model_info(CATALOGUE[0], "claude-x"))

    assert ModelInfo.model_validate(info).id == "claude-x"
    assert info["display_name"] == CATALOGUE[0].title
    assert info["type"] == "model"


def test_page_has_twenty_models_unless_told_otherwise() -> None:
    answer = page()

    assert ids(answer) == NAMES[:20]
    assert answer["has_more"]
    assert (answer["first_id"], answer["last_id"]) == (NAMES[0], NAMES[19])


def test_pages_forward_are_the_whole_list() -> None:
    answer = page(limit="7")
    seen = ids(answer)
    while answer["has_more"]:
        answer = page(limit="7", after_id=answer["last_id"])
        seen += ids(answer)

    assert seen == NAMES


def test_pages_backward_are_the_whole_list() -> None:
    answer = page(limit="7", before_id=NAMES[-1])
    seen = ids(answer)
    while answer["has_more"]:
        answer = page(limit="7", before_id=answer["first_id"])
        seen = ids(answer) + seen

    assert seen == NAMES[:-1]


@pytest.mark.parametrize("given", [{"after_id": NAMES[-1]}, {"after_id": "x"}, {"before_id": "x"}])
def test_list_ends_with_an_empty_page(given: dict[str, str]) -> None:
    assert page(**given) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize(
    "given",
    [{"limit": "0"}, {"limit": "1001"}, {"limit": "ten"}, {"after_id": "a", "before_id": "b"}],
)
def test_page_that_makes_no_sense_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError):
        page(**given)
