"""What one process has once, whatever the settings are; all its object graphs share it."""

from dataclasses import dataclass, field

from grok2api.config.schema import BootSettings, Settings
from grok2api.services.budget import BYTES_PER_MB, Budget, Headcount
from grok2api.services.settings import SettingsDesk
from grok2api.services.settings_watch import SettingsWatch
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient
from grok2api.telemetry.metrics import Metrics
from grok2api.upstream.transport import Transport


@dataclass(frozen=True, slots=True)
class Bounds:
    """What limits "per worker" are about: an old graph that still works counts as well."""

    file_bytes: Budget = field(default_factory=Budget)
    uploads: Budget = field(default_factory=Budget)
    background: Headcount = field(default_factory=Headcount)
    videos: Headcount = field(default_factory=Headcount)

    def resize(self, settings: Settings) -> None:
        """Share out as much as the newest settings say."""
        self.file_bytes.resize(settings.files.memory_mb * BYTES_PER_MB)
        self.uploads.resize(settings.files.upload_concurrency)


@dataclass(frozen=True, slots=True)
class Shared:
    """All of it."""

    boot: BootSettings
    redis: RedisClient
    cipher: SecretCipher
    transport: Transport
    watch: SettingsWatch
    config: SettingsDesk
    metrics: Metrics | None
    bounds: Bounds = field(default_factory=Bounds)
