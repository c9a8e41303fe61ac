import msgspec
from openai.types import Model as SDKModel

from grok2api.dialects.openai_models import render_model, render_models
from grok2api.domain.catalogue import CATALOGUE


def test_list_has_every_model_in_its_order() -> None:
    body = msgspec.json.decode(render_models(CATALOGUE))

    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == [model.name for model in CATALOGUE]


def test_empty_list_is_a_list() -> None:
    assert render_models([]) == b'{"object":"list","data":[]}'


def test_model_is_what_the_sdk_expects() -> None:
    for model in CATALOGUE:
        parsed = SDKModel.model_validate_json(render_model(model), strict=True)
        assert (parsed.id, parsed.object, parsed.owned_by) == (model.name, "model", "xai")


def test_golden_model() -> None:
    assert render_model(CATALOGUE[0]) == (
        b'{"id":"grok-chat-fast","object":"model","created":1767225600,"owned_by":"xai",'
        b'"name":"Grok Chat Fast","capability":"chat"}'
    )


def test_alias_is_answered_by_its_own_name() -> None:
    assert msgspec.json.decode(render_model(CATALOGUE[0], "gpt-5"))["id"] == "gpt-5"
