"""How calls are looked for in one answer."""

from msgspec import Struct

from grok2api.dialects.tools.grammar import Grammar
from grok2api.dialects.tools.listing import Catalog


class Rules(Struct, frozen=True):
    """How calls are looked for in one answer.

    `needs_token`: what the model reads contains something like a call, which it may quote; only a
    root with this request's token is a call then. `is_parallel` False: the first call counts.
    """

    catalog: Catalog
    token: str
    needs_token: bool = False
    is_parallel: bool = True

    @property
    def grammar(self) -> Grammar:
        """The same, for the reader of openings."""
        shapes = self.catalog.shapes
        custom = frozenset(name for name, shape in shapes.items() if shape is None)
        return Grammar(shapes.keys(), custom, self.token)
