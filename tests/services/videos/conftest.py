"""The bench of video jobs."""

from pathlib import Path

import pytest

from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from tests.services.videos.bench import VideoBench


@pytest.fixture
def bench(redis: RedisClient, redis_url: str, cipher: SecretCipher, tmp_path: Path) -> VideoBench:
    return VideoBench(redis, redis_url, cipher, tmp_path)
