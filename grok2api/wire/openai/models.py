"""The model objects of the OpenAI API."""

from msgspec import Struct


class ModelObject(Struct, frozen=True, kw_only=True):
    """One model. `name` and `capability` are our additions."""

    id: str
    object: str = "model"
    created: int
    owned_by: str
    name: str
    capability: str


class ModelList(Struct, frozen=True, kw_only=True):
    """Models that can be used now."""

    object: str = "list"
    data: list[ModelObject]
