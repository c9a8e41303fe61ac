"""Which script a call gets: the prompt's, the queue's, and how often a fault still strikes."""

from typing import Literal

from msgspec import Struct, field

from grok2api.simulator.identity import short_hash
from grok2api.simulator.ledger import Entry
from grok2api.simulator.script.directives import (
    FAILING,
    LIMITS,
    Script,
    build_script,
    parse_pairs,
    read_directives,
)

Target = Literal[
    "chat",
    "session",
    "quota",
    "credits",
    "preference",
    "page",
    "upload",
    "assets",
    "delete",
    "asset",
    "imagine",
    "edit",
    "video",
    "post",
    "upscale",
    "media_quota",
]


class ScriptOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Directives for calls to come, as the control API receives them.

    Each of `directives` serves `times` calls (0: all, until the reset) of `account`, a name or
    short hash; an empty one means any account.
    """

    directives: list[str]
    account: str = ""
    target: Target = "chat"
    times: int = 1


class _Order(Struct):
    """One queued directive."""

    pairs: dict[str, str]
    account: str
    target: Target
    left: int
    is_endless: bool


class Scripts(Struct):
    """The queue, and the count of calls that failed on purpose."""

    queue: list[_Order] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)

    def enqueue(self, order: ScriptOrder) -> int:
        """Queue directives; returns how many orders wait now.

        Raises:
            DirectiveError: one of them is wrong; none is queued.
        """
        read = [parse_pairs(text) for text in order.directives]
        for pairs in read:
            build_script(pairs)
        self.queue += [
            _Order(pairs, order.account, order.target, order.times, order.times == 0)
            for pairs in read
        ]
        return len(self.queue)

    def take(self, entry: Entry, target: Target) -> dict[str, str]:
        """Take the first waiting order that fits; its pairs as far as they still apply, or none."""
        for at, order in enumerate(self.queue):
            if order.target != target or order.account not in ("", entry.name, entry.ref):
                continue
            order.left -= 1
            if order.left <= 0 and not order.is_endless:
                del self.queue[at]
            return self._limit(entry, order.pairs, "")
        return {}

    def decide(self, entry: Entry, queued: dict[str, str], prompt: str) -> Script:
        """Return the script of a call, from what `take` gave and what the prompt says.

        Raises:
            DirectiveError: the prompt's directives are wrong.
        """
        pairs = read_directives(prompt)
        if pairs:
            build_script(pairs)
            pairs = self._limit(entry, pairs, prompt)
        pairs |= queued
        return build_script(pairs) if pairs else _HEALTHY

    def _limit(self, entry: Entry, pairs: dict[str, str], prompt: str) -> dict[str, str]:
        """Take out the faults that are meant for other accounts or have struck often enough."""
        if pairs.keys().isdisjoint(LIMITS):
            return pairs
        script = build_script(pairs)
        may_fail = not script.only or not _split_names(script.only).isdisjoint(
            (entry.name, entry.ref)
        )
        if may_fail and script.fail_first:
            key = short_hash(f"{prompt}\0{sorted(pairs.items())}")
            self.failed[key] = self.failed.get(key, 0) + 1
            may_fail = self.failed[key] <= script.fail_first
        unwanted = LIMITS if may_fail else LIMITS | FAILING
        return {key: value for key, value in pairs.items() if key not in unwanted}


_HEALTHY = Script()


def _split_names(names: str) -> set[str]:
    return {name.strip() for name in names.split(",")}
