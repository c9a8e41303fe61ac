"""What operators call an account by: its id, or the session itself where a body names it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from grok2api.domain.account import Credentials, ProviderKind
from grok2api.domain.ids import AccountId
from grok2api.errors import InvalidRequestError
from grok2api.providers.base import ImportEntry, Provider
from grok2api.services.imports import account_id_of

_ID: Final = re.compile(r"acc_[0-9A-Za-z]{1,20}")
_KIND: Final = ProviderKind.GROK_WEB


def is_account_id(name: str) -> bool:
    """Tell whether a name is an id: no session is as short as that and begins like one."""
    return _ID.fullmatch(name) is not None


class AccountNames:
    """Knows accounts by their names. No error quotes what was given: it may be a session."""

    __slots__ = ("_providers",)

    def __init__(self, providers: Mapping[ProviderKind, Provider]) -> None:
        self._providers = providers

    def resolve(self, name: str, *, param: str) -> AccountId:
        """Return the id that an account of this name has, whether or not there is one.

        Raises:
            InvalidRequestError: it is neither an id nor a session; `param` is where it stands.
        """
        plain = name.strip()
        if is_account_id(plain):
            return AccountId(plain)
        return account_id_of(_KIND, self.parse_session(name, param=param))

    def resolve_all(self, names: Sequence[str], *, param: str) -> list[AccountId]:
        """Return the ids of several names, each once, in order.

        Raises:
            InvalidRequestError: one is neither an id nor a session, or there is none at all.
        """
        ids = list(
            dict.fromkeys(self._resolve_in(at, names[at], param) for at in range(len(names)))
        )
        if not ids:
            raise InvalidRequestError("Name at least one account.", param=param)
        return ids

    def _resolve_in(self, at: int, name: str, param: str) -> AccountId:
        try:
            return self.resolve(name, param=f"{param}[{at}]")
        except InvalidRequestError as error:
            where = f"Name {at + 1}: {error.message}"
            raise InvalidRequestError(where, param=error.param) from None

    def parse_session(self, text: str, *, param: str) -> Credentials:
        """Return the credentials in a pasted text.

        Raises:
            InvalidRequestError: it has none.
        """
        found = self._providers[_KIND].credentials.parse_record(1, {"token": text})
        if isinstance(found, ImportEntry):
            return found.credentials
        why = getattr(found, "why", "It is none.")
        raise InvalidRequestError(
            f"This is neither an account's id nor a session. {why}", param=param
        )
