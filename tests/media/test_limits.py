"""A full disk leaves nothing half done; a large file is never in memory."""

import subprocess
import sys
from pathlib import Path

import msgspec

from grok2api.config.media import MediaSettings
from tests.media.conftest import IMAGE, VIDEO, MediaBench
from tests.media.limits import LARGE_MB, MB, Told

MOST_GROWTH_MB = 40


def run(task: str, redis_url: str, data_dir: Path, settings: MediaSettings) -> Told:
    done = subprocess.run(
        [sys.executable, "-m", "tests.media.limits", task, redis_url, str(data_dir)],
        input=msgspec.json.encode(settings),
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=120,
    )
    return msgspec.json.decode(done.stdout, type=Told)


async def test_a_full_disk_leaves_nothing_half_done(
    bench: MediaBench, redis_url: str, media_settings: MediaSettings
) -> None:
    told = run("fill_disk", redis_url, bench.data_dir, media_settings)

    full = ["The media store is full.", "spool: OSError EFBIG"]
    # A bucket takes what is in memory already: only what has to be collected needs the disk.
    assert told.refused == (full if media_settings.url else full * 2)
    assert bench.spooled() == []
    assert (await bench.usage()).count == (3 if media_settings.url else 2)
    assert (await bench.usage(VIDEO)).count == 0
    await bench.assert_exact()
    for media in await bench.listed(IMAGE):
        assert len(await bench.read(media)) == media.size_bytes


async def test_a_large_file_is_never_in_memory(
    bench: MediaBench, redis_url: str, media_settings: MediaSettings
) -> None:
    told = run("keep_large_file", redis_url, bench.data_dir, media_settings)

    assert told.read_bytes == LARGE_MB * MB
    assert max(told.grown_mb) < MOST_GROWTH_MB, told
    await bench.assert_exact()
