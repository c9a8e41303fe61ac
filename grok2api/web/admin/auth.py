"""Who may administer: one function for every administrative route."""

from starlette.requests import Request

from grok2api.errors import AuthenticationError, RateLimitExceededError
from grok2api.web.admin.audit import admitted, code_of
from grok2api.web.api.auth import presented_key
from grok2api.web.client_address import address_group
from grok2api.web.facts import facts_of
from grok2api.web.state import state_of


async def admit_admin(request: Request) -> None:
    """Return if the caller presents the administrator's password, where clients present keys.

    Call it before the body is read. A client key is never enough. Refused passwords are written
    down with the actions of administrators.

    Raises:
        AuthenticationError: no password, or a wrong one.
        RateLimitExceededError: too many wrong passwords came from the caller's address.
        StoreUnavailableError: the password cannot be checked now.
    """
    presented = presented_key(request)
    password = None if presented is None else _as_sent(presented)
    client = facts_of(request).client
    try:
        await state_of(request).admin_auth.check(password, address_group(client))
    except (AuthenticationError, RateLimitExceededError) as error:
        if presented is not None:
            await state_of(request).records.logins.note(client, code_of(error))
        raise
    admitted(request)


def _as_sent(value: str) -> str:
    """Headers are read as Latin-1, but most programs send UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
