"""The model objects of the Anthropic API."""

from typing import Literal

from msgspec import Struct


class ModelInfo(Struct, frozen=True, tag_field="type", tag="model"):
    """One model. `created_at` is RFC 3339."""

    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"] = "active"


class ModelPage(Struct, frozen=True):
    """Some of the models; the ids are null where there is none."""

    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None
