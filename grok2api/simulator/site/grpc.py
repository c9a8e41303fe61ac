"""The site's gRPC-web calls: the weekly pool, and the switch for sensitive content."""

from typing import Final

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.grpc_frames import (
    EMPTY_CALL,
    GRPC_TYPE,
    Credits,
    pack_answer,
    pack_credits,
    pack_no_credits,
    read_switch,
)
from grok2api.simulator.script.faults import FAULTS
from grok2api.simulator.site.checks import check_grpc, check_signed_grpc, read_cookies
from grok2api.simulator.site.gate import Answer, Visit, admit, from_fault
from grok2api.simulator.site.pages import SmallRequest
from grok2api.simulator.world import World

_WEEK_S: Final = 7 * 86_400
_HALF_A_SECOND_NS: Final = 500_000_000


def answer_credits(world: World, call: SmallRequest) -> tuple[Account | None, Answer]:
    """Answer `GetGrokCreditsConfig`: how much of this week's pool is used."""
    cookies, problems = read_cookies(call.headers, is_socket=False)
    problems += check_grpc(call.headers, world.options.origin)
    if call.body != EMPTY_CALL:
        problems.append("the body must be one frame with an empty message")
    account, refusal = admit(world, Visit("credits", cookies, problems, is_signed=False))
    if account is not None:
        account.entry.credits_calls += 1
    if account is None or refusal is not None:
        return account, refusal or from_fault(FAULTS["bad_credentials"])
    start_s = int(world.options.clock.now_s()) // _WEEK_S * _WEEK_S
    end_s = start_s + _WEEK_S
    if not account.quota.is_paid:
        return account, _answer(pack_no_credits(start_s, end_s))
    start, end = (start_s, _HALF_A_SECOND_NS), (end_s, _HALF_A_SECOND_NS)
    return account, _answer(pack_credits(Credits(account.quota.used_percent, start, end)))


def answer_preference(world: World, call: SmallRequest) -> tuple[Account | None, Answer]:
    """Answer `UpdateUserFeatureControls`; `keep_preference` remembers the switch."""
    cookies, problems = read_cookies(call.headers, is_socket=False)
    problems += check_signed_grpc(call.headers, world.options.origin)
    if read_switch(call.body) is None:
        problems.append("the body must turn always_show_nsfw_content on or off")
    account, refusal = admit(
        world, Visit("preference", cookies, problems, call.headers.get("x-statsig-id"))
    )
    if account is None or refusal is not None:
        return account, refusal or from_fault(FAULTS["bad_credentials"])
    return account, _answer(None)


def keep_preference(account: Account, call: SmallRequest) -> None:
    """Remember the switch of a call that was answered well."""
    account.entry.sensitive_content = read_switch(call.body)


def _answer(message: bytes | None) -> Answer:
    return Answer(200, pack_answer(message), content_type=GRPC_TYPE)
