"""What a JSON Schema says about the types of values, as far as it can be read off."""

from typing import Any, Final

_MAX_STEPS: Final = 8
_NAMES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}


class Shape:
    """The type of one value and of what is in it. Reads the schema only where it is asked."""

    __slots__ = ("_root", "_schema")

    def __init__(self, schema: object, root: object = None) -> None:
        self._root = schema if root is None else root
        self._schema: dict[str, Any] = _resolve(schema, self._root)

    def types(self) -> frozenset[str]:
        """Return the names of the types it may have; none: the schema does not say."""
        return _types_of(self._schema, self._root, _MAX_STEPS)

    def member(self, name: str) -> "Shape":
        """Return the shape of the member `name` of an object."""
        for schema in self._choices():
            properties = schema.get("properties")
            if isinstance(properties, dict) and name in properties:
                return Shape(properties[name], self._root)
        return Shape(self._schema.get("additionalProperties"), self._root)

    def item(self) -> "Shape":
        """Return the shape of the items of an array."""
        for schema in self._choices():
            if isinstance(schema.get("items"), dict):
                return Shape(schema["items"], self._root)
        return ANY

    def _choices(self) -> list[dict[str, Any]]:
        found = [self._schema]
        for keyword in ("anyOf", "oneOf", "allOf"):
            choices = self._schema.get(keyword)
            if isinstance(choices, list):
                found += [_resolve(choice, self._root) for choice in choices]
        return found


def _resolve(schema: object, root: object) -> dict[str, Any]:
    """Follow references inside the document; what leads nowhere says nothing."""
    for _ in range(_MAX_STEPS):
        if not isinstance(schema, dict):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = _find(reference, root)
    return {}


def _find(reference: str, root: object) -> object:
    if not reference.startswith("#"):
        return None
    found = root
    for step in reference[1:].strip("/").split("/") if len(reference) > 1 else ():
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _types_of(schema: dict[str, Any], root: object, steps: int) -> frozenset[str]:
    stated = schema.get("type")
    if isinstance(stated, str):
        return frozenset((stated,))
    if isinstance(stated, list):
        return frozenset(name for name in stated if isinstance(name, str))
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list) and values:
        return frozenset(_name_of(value) for value in values)
    for keyword in ("anyOf", "oneOf"):
        choices = schema.get(keyword)
        if isinstance(choices, list) and choices and steps:
            found = [_types_of(_resolve(choice, root), root, steps - 1) for choice in choices]
            return frozenset[str]().union(*found) if all(found) else frozenset()
    return frozenset()


def _name_of(value: object) -> str:
    return "null" if value is None else _NAMES.get(type(value), "object")


ANY: Final = Shape({})
