"""Public model names: what they stand for, and which can be served now."""

from collections.abc import Iterable, Mapping

from grok2api.domain.account import Mode
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import Capability, Model, Route
from grok2api.errors import ModelNotFoundError
from grok2api.store.accounts import AccountStore

_INSTEAD_OF_AUTO = (Mode.AUTO, Mode.FAST, Mode.EXPERT)
MAX_SHOWN = 80
"""How much of an unknown name is repeated to the client."""


class ModelCatalog:
    """The catalogue plus the operator's aliases."""

    __slots__ = ("_accounts", "_aliases", "_falls_back", "_models")

    def __init__(
        self,
        accounts: AccountStore,
        *,
        aliases: Mapping[str, str] | None = None,
        models: Iterable[Model] = CATALOGUE,
        falls_back: bool = True,
    ) -> None:
        """`falls_back`: chat in mode auto is served as fast or expert when auto has no quota."""
        self._accounts = accounts
        self._aliases = dict(aliases or {})
        self._falls_back = falls_back
        self._models = {model.name: model for model in models}

    def find(self, name: str) -> Model | None:
        """Return the model of this name or alias."""
        return self._models.get(self._aliases.get(name, name))

    def resolve(self, name: str) -> Route:
        """Return how requests for `name` are served.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        model = self.find(name)
        if model is None:
            shown = name if len(name) <= MAX_SHOWN else name[:MAX_SHOWN] + "…"
            raise ModelNotFoundError(
                f"The model '{shown}' does not exist. GET /v1/models lists those that do.",
                param="model",
                code="model_not_found",
            )
        return Route(requested=name, model=model, modes=self._modes_of(model))

    def _modes_of(self, model: Model) -> tuple[Mode, ...]:
        if model.mode is Mode.AUTO and model.capability is Capability.CHAT and self._falls_back:
            return _INSTEAD_OF_AUTO
        return (model.mode,)

    async def available(self) -> list[Model]:
        """Return the models that some account may serve, now or once it has cooled."""
        served = {
            (count.pool.kind, count.pool.tier)
            for count in await self._accounts.pool_counts()
            if count.usable > 0
        }
        return [
            model
            for model in self._models.values()
            if any((model.kind, tier) in served for tier in model.tiers)
        ]
