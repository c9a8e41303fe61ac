from tests.lua.media.conftest import IMAGE


async def test_pages_have_everything_once_and_the_newest_first(media):
    await media.put(*"abcde")
    await media.find("a")
    pages, cursor = [], "0"
    while cursor:
        page = await media.index.list(IMAGE, skip=int(cursor), limit=2)
        pages.append("".join(item.id.lstrip("0") for item in page.items))
        cursor = page.next_cursor
        assert page.total == 5

    assert pages == ["ed", "cb", "a"]


async def test_items_are_what_is_found(media):
    await media.put("a", "b")

    page = await media.index.list(IMAGE, skip=1, limit=1)

    assert page.items == (await media.find("a"),)


async def test_there_may_be_nothing(media):
    for skip in (0, 5):
        page = await media.index.list(IMAGE, skip=skip, limit=2)
        assert (page.items, page.next_cursor, page.total) == ((), "", 0)


async def test_a_page_has_a_thousand_objects_at_most(media):
    await media.put(*(f"{n:x}" for n in range(1, 1003)))

    page = await media.index.list(IMAGE, skip=0, limit=10**6)

    assert (len(page.items), page.next_cursor, page.total) == (1000, "1000", 1002)
