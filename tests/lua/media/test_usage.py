from grok2api.domain.media import MediaKind


async def test_each_kind_is_counted_by_itself(media):
    await media.put("a", size=3)
    await media.put("b", size=4)
    await media.reserve("c", size=5)

    assert await media.numbers() == (2, 7, 5)
    video = await media.index.usage(MediaKind.VIDEO)
    assert (video.count, video.bytes, video.reserved) == (0, 0, 0)


async def test_bytes_are_exact_beyond_what_32_bits_hold(media):
    await media.put("a", size=2**40 + 1)
    await media.put("b", size=2**40 + 2)

    assert await media.numbers() == (2, 2**41 + 3, 0)
    await media.evict(2**40 + 2, 2**40 + 2)
    assert await media.numbers() == (1, 2**40 + 2, 0)
