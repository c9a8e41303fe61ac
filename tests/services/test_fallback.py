"""Chat in mode auto goes on as fast or expert when auto has no quota left."""

import pytest

from grok2api.domain.account import Credentials, Mode, Pool, ProviderKind, Tier
from grok2api.domain.ids import AccountId
from grok2api.domain.quota import Source, Window
from grok2api.errors import NoAccountAvailableError
from grok2api.services.dispatch import TurnRecord
from grok2api.store.accounts import NewAccount
from tests.services.conftest import Bench, ask
from tests.services.test_dispatch import says

SUPER = Pool(ProviderKind.GROK_WEB, Tier.SUPER)
FULL = Window(9, 9, 3600, Source.REAL)
EMPTY = Window(0, 9, 3600, Source.REAL, reset_at_s=4_000_000_000.0)


async def add_super(bench: Bench, **windows: Window) -> None:
    left = {Mode(mode): window for mode, window in windows.items()}
    credentials = Credentials("one")
    await bench.store.save(NewAccount(AccountId("one"), SUPER, credentials, "…", windows=left))


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ({"auto": FULL, "fast": FULL, "expert": FULL}, Mode.AUTO),
        ({"auto": EMPTY, "fast": FULL, "expert": FULL}, Mode.FAST),
        ({"auto": EMPTY, "fast": EMPTY, "expert": FULL}, Mode.EXPERT),
    ],
)
async def test_first_mode_with_quota_serves(
    bench: Bench, windows: dict[str, Window], expected: Mode
) -> None:
    await add_super(bench, **windows)
    bench.script.plays.append(says("hi"))
    record = TurnRecord()

    route, _ = await bench.chat.complete(ask(model="grok-chat-auto"), record)

    assert record.mode is expected
    assert bench.script.modes == [expected]
    assert route.model.mode is Mode.AUTO


async def test_no_other_model_falls_back(bench: Bench) -> None:
    await add_super(bench, auto=FULL, fast=FULL, expert=EMPTY)

    with pytest.raises(NoAccountAvailableError):
        await bench.chat.complete(ask(model="grok-chat-expert"), TurnRecord())
