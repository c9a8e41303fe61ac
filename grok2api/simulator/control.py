"""`/_sim/`: the strings behind the stage, for tests and demos only."""

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from grok2api.simulator.accounts import Account, Change, Registration
from grok2api.simulator.script.directives import DirectiveError
from grok2api.simulator.script.queue import ScriptOrder
from grok2api.simulator.world import World


class RegisterOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """Accounts to register."""

    accounts: list[Registration]


class Registered(Struct, frozen=True):
    """A registered account."""

    name: str
    ref: str
    user_id: str
    tier: str
    status: str


class ResetOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much to forget."""

    forget_accounts: bool = False


_REGISTER = msgspec.json.Decoder(RegisterOrder)
_CHANGE = msgspec.json.Decoder(Change)
_SCRIPT = msgspec.json.Decoder(ScriptOrder)
_RESET = msgspec.json.Decoder(ResetOrder)


class Control:
    """The handlers of the control API."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the table of its addresses, relative to `/_sim`."""
        return [
            Route("/accounts", self.register, methods=["POST"]),
            Route("/accounts/{name}", self.change, methods=["PATCH"]),
            Route("/script", self.script, methods=["POST"]),
            Route("/ledger", self.ledger, methods=["GET"]),
            Route("/reset", self.reset, methods=["POST"]),
        ]

    async def register(self, request: Request) -> Response:
        """Register or change accounts."""
        try:
            order = _REGISTER.decode(await request.body())
            accounts = [self._world.accounts.register(wanted) for wanted in order.accounts]
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return _json([_show(account) for account in accounts])

    async def change(self, request: Request) -> Response:
        """Change what the body names of one account; everything else of it stays."""
        try:
            wanted = _CHANGE.decode(await request.body())
            account = self._world.accounts.change(request.path_params["name"], wanted)
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, 400)
        except LookupError:
            return _json({"error": "no such account"}, 404)
        return _json(_show(account))

    async def script(self, request: Request) -> Response:
        """Queue directives."""
        try:
            waiting = self._world.scripts.enqueue(_SCRIPT.decode(await request.body()))
        except (msgspec.DecodeError, DirectiveError) as error:
            return _json({"error": str(error)}, 400)
        return _json({"waiting": waiting})

    async def ledger(self, request: Request) -> Response:
        """Show the books; with `?account=` (a name or short hash) only that page."""
        report = self._world.ledger.report()
        wanted = request.query_params.get("account")
        if wanted is None:
            return _json(report)
        entry = report.accounts.get(report.refs.get(wanted, wanted))
        return _json({"error": "no such account"}, 404) if entry is None else _json(entry)

    async def reset(self, request: Request) -> Response:
        """Forget counters, scripts and conversations."""
        try:
            order = _RESET.decode(await request.body() or b"{}")
        except msgspec.DecodeError as error:
            return _json({"error": str(error)}, 400)
        self._world.reset(forget_accounts=order.forget_accounts)
        return _json({"waiting": 0})


def _show(account: Account) -> Registered:
    entry = account.entry
    return Registered(entry.name, entry.ref, account.user_id, entry.tier, entry.status)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
