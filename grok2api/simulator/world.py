"""Everything one simulator knows."""

from collections import OrderedDict

from msgspec import Struct, field

from grok2api.simulator.accounts import Account, Accounts
from grok2api.simulator.files import Files
from grok2api.simulator.gallery import Gallery
from grok2api.simulator.identity import make_uuid
from grok2api.simulator.ledger import Ledger
from grok2api.simulator.options import SimulatorOptions
from grok2api.simulator.script.directives import Script
from grok2api.simulator.script.queue import Scripts
from grok2api.simulator.script.turn import Turn, pictures
from grok2api.simulator.studio import Studio

_MAX_CONVERSATIONS = 10_000


class Conversation(Struct):
    """A conversation and the responses that a next turn may follow."""

    id: str
    user_id: str
    parents: set[str] = field(default_factory=set)


class TurnIds(Struct, frozen=True):
    """The ids of one turn."""

    conversation: str
    response: str
    user_response: str


class World:
    """Accounts, books, scripts, files, pictures and conversations of one simulator."""

    def __init__(self, options: SimulatorOptions) -> None:
        self.options = options
        self.ledger = Ledger(options.keep_requests)
        self.accounts = Accounts(options, self.ledger)
        self.scripts = Scripts()
        self.files = Files(options.seed)
        self.gallery = Gallery()
        self.studio = Studio(options.seed, options.clock, self.files, self.gallery)
        self._conversations: OrderedDict[str, Conversation] = OrderedDict()

    def reset(self, *, forget_accounts: bool) -> None:
        """Forget counters, scripts, conversations and what was made; and accounts if wanted."""
        self.ledger.reset()
        self.scripts = Scripts()
        self._conversations.clear()
        self.gallery.clear()
        self.accounts.reset(forget=forget_accounts)

    def name_turn(self, account: Account, conversation: str = "") -> TurnIds:
        """Return the ids of the account's next turn, in `conversation` or a new one."""
        place = (self.options.seed, account.user_id, account.next_serial())
        return TurnIds(
            conversation or make_uuid("conversation", *place),
            make_uuid("response", *place),
            make_uuid("user-response", *place),
        )

    def name_media(self, account: Account, kind: str, count: int) -> tuple[str, ...]:
        """Return new ids for what the account has made next."""
        place = (self.options.seed, account.user_id, account.next_serial())
        return tuple(make_uuid(kind, *place, number) for number in range(count))

    def draw(self, account: Account, script: Script, turn: Turn) -> None:
        """Put the pictures of a chat's answer to where it will say they are."""
        for drawn in pictures(script, turn):
            if drawn.is_finished:
                key = (turn.prompt, drawn.id)
                self.studio.store(account, self.studio.paint(drawn.id, "auto", *key))

    def find_conversation(self, account: Account, conversation: str) -> Conversation | None:
        """Return a conversation that belongs to the account."""
        found = self._conversations.get(conversation)
        return found if found and found.user_id == account.user_id else None

    def keep_turn(self, account: Account, ids: TurnIds) -> None:
        """Let later turns follow this one. The oldest conversation goes when there are too many."""
        conversation = self._conversations.setdefault(
            ids.conversation, Conversation(ids.conversation, account.user_id)
        )
        conversation.parents |= {ids.response, ids.user_response}
        self._conversations.move_to_end(ids.conversation)
        if len(self._conversations) > _MAX_CONVERSATIONS:
            self._conversations.popitem(last=False)
