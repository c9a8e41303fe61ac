"""Public model names: what they stand for, and which can be served now."""

from collections.abc import Container, Iterable, Iterator, Mapping

import msgspec

from grok2api.domain.account import Mode
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import Capability, Model, Route
from grok2api.domain.quota import PLANS
from grok2api.errors import ModelNotFoundError, SettingsError
from grok2api.store.accounts import AccountStore

_INSTEAD_OF_AUTO = (Mode.AUTO, Mode.FAST, Mode.EXPERT)
_ANYTHING = "*"
_NAMES = frozenset(model.name for model in CATALOGUE)
MAX_SHOWN = 80
"""How much of an unknown name is repeated to the client."""


class ModelCatalog:
    """The catalogue plus the operator's aliases.

    A name of the catalogue wins over an alias, an exact alias over one that ends in `*`, and of
    these the longest wins.
    """

    __slots__ = ("_accounts", "_aliases", "_beginnings", "_falls_back", "_models")

    def __init__(
        self,
        accounts: AccountStore,
        *,
        aliases: Mapping[str, str] | None = None,
        models: Iterable[Model] = CATALOGUE,
        falls_back: bool = True,
    ) -> None:
        """`falls_back`: chat in mode auto is served as fast or expert when auto has no quota.

        Raises:
            SettingsError: an alias stands for something that is no model.
        """
        self._accounts = accounts
        self._falls_back = falls_back
        self._models = {model.name: model for model in models}
        self._aliases: dict[str, Model] = {}
        self._beginnings: list[tuple[str, Model]] = []
        check_aliases(aliases or {}, self._models)
        for alias, name in (aliases or {}).items():
            if alias.endswith(_ANYTHING):
                self._beginnings.append((alias.removesuffix(_ANYTHING), self._models[name]))
            else:
                self._aliases[alias] = self._models[name]
        self._beginnings.sort(key=lambda pair: len(pair[0]), reverse=True)

    def find(self, name: str) -> Model | None:
        """Return the model of this name or alias."""
        model = self._models.get(name) or self._aliases.get(name)
        if model is None:
            matches = (model for start, model in self._beginnings if name.startswith(start))
            model = next(matches, None)
        return model

    def resolve(self, name: str) -> Route:
        """Return how requests for `name` are served.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        model = self.find(name)
        if model is None:
            raise model_not_found(name)
        return Route(requested=name, model=model, modes=self._modes_of(model))

    def _modes_of(self, model: Model) -> tuple[Mode, ...]:
        if model.mode is Mode.AUTO and model.capability is Capability.CHAT and self._falls_back:
            return _INSTEAD_OF_AUTO
        return (model.mode,)

    async def available(self) -> list[Model]:
        """Return the models that some account may serve, now or once it has cooled.

        Its tier must have the model's mode. What is left of that is not asked. Aliases follow, as
        models of that name.
        """
        served = {
            (count.pool.kind, count.pool.tier)
            for count in await self._accounts.pool_counts()
            if count.usable > 0
        }
        return [
            model
            for model in (*self._models.values(), *self._named_aliases())
            if any(
                (model.kind, tier) in served and model.mode in PLANS[tier] for tier in model.tiers
            )
        ]

    def _named_aliases(self) -> Iterator[Model]:
        for alias, model in self._aliases.items():
            if alias not in self._models:
                yield msgspec.structs.replace(model, name=alias)


def check_aliases(aliases: Mapping[str, str], models: Container[str] = _NAMES) -> None:
    """Return if every alias stands for a model.

    Raises:
        SettingsError: one does not.
    """
    for alias, name in aliases.items():
        if name not in models:
            raise SettingsError(
                f"models.aliases: '{alias[:MAX_SHOWN]}' stands for '{name[:MAX_SHOWN]}', "
                "no model here"
            )


def model_not_found(name: str) -> ModelNotFoundError:
    """Return the error of a name that no model has, or none that the caller may use."""
    shown = name if len(name) <= MAX_SHOWN else name[:MAX_SHOWN] + "…"
    return ModelNotFoundError(
        f"The model '{shown}' does not exist. GET /v1/models lists those that do.",
        param="model",
        code="model_not_found",
    )
