import pytest

from grok2api.domain.media import MediaKind
from grok2api.errors import StoreUnavailableError
from tests.lua.media.conftest import id_of


async def test_kinds_do_not_see_each_other(media):
    await media.put("a")

    assert await media.find("a")
    assert await media.find("b") is None
    assert await media.index.find(MediaKind.VIDEO, id_of("a")) is None


@pytest.mark.parametrize(("seconds", "is_noted"), [(59, False), (61, True)])
async def test_a_use_is_noted_once_a_minute(media, seconds, is_noted):
    await media.put("a", "b")
    media.wait(seconds)
    found = await media.find("a")

    assert (found.used_at_s == media.index.now_ms / 1000) is is_noted
    evicted = await media.evict(15, 15)
    assert await media.names() == (["a"] if is_noted else ["b"])
    assert len(evicted) == 1


async def test_what_is_kept_is_found_while_the_server_takes_no_writes(media, refuse_writes):
    await media.put("a")
    before = await media.find("a")
    media.wait(61)

    with refuse_writes():
        with pytest.raises(StoreUnavailableError):
            await media.put("b")
        assert await media.find("a") == before

    assert (await media.find("a")).used_at_s == media.index.now_ms / 1000
