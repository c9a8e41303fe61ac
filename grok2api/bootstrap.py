"""The object graph: the one place that loads settings and joins the parts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grok2api.assembly import (
    join_chat,
    join_dispatch,
    join_explainer,
    join_keys,
    join_media,
    join_models,
    join_operator,
    join_overview,
    join_responses,
    join_videos,
)
from grok2api.clock import SystemClock
from grok2api.config.loader import load_boot, load_settings, prepare
from grok2api.config.schema import BootSettings
from grok2api.domain.catalogue import CATALOGUE
from grok2api.maintenance.jobs.batches import build_batch_job
from grok2api.maintenance.jobs.lease_reaper import build_lease_reaper
from grok2api.maintenance.jobs.media_cleanup import build_media_jobs
from grok2api.maintenance.jobs.quota_refresh import build_quota_refresh
from grok2api.maintenance.leader import Leader
from grok2api.maintenance.runner import Runner
from grok2api.services.admin_auth import AdminAuth
from grok2api.services.client_keys import ClientKeys
from grok2api.services.dispatch import Dispatcher
from grok2api.services.explain import Explainer
from grok2api.services.health import Health
from grok2api.services.images import ImageService
from grok2api.services.media_upkeep import build_media_upkeep
from grok2api.services.models import ModelCatalog
from grok2api.services.operator import Operator
from grok2api.services.sessions import Sessions
from grok2api.services.setup import Setup
from grok2api.store.account_edits import AccountEdits
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import open_redis, ping
from grok2api.store.leader import LeaderStore
from grok2api.store.server_facts import ServerFacts, read_server_facts
from grok2api.store.sessions import SessionStore
from grok2api.store.setup import SetupStore
from grok2api.telemetry.metrics import open_metrics
from grok2api.upstream.curl import open_transport
from grok2api.web.state import AppState

ADMIN_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class AdminTools:
    """What commands and the first start work with. `max_concurrency` is every account's limit."""

    operator: Operator
    max_concurrency: int
    keys: ClientKeys
    models: ModelCatalog
    setup: Setup
    health: Health
    explainer: Explainer
    sessions: Sessions
    read_server_facts: Callable[[], Awaitable[ServerFacts]]


def load_boot_settings() -> BootSettings:
    """Read what this process needs to exist, its data folder made ready.

    Raises:
        SettingsError: a setting does not hold, or the folder cannot be used.
    """
    return prepare(load_boot())


@asynccontextmanager
async def open_gateway(
    boot: BootSettings, *, metrics_folder: Path | None = None
) -> AsyncIterator[AppState]:
    """Build everything one worker needs; all of it is closed at the end, in reverse.

    Raises:
        SettingsError: a setting does not hold.
    """
    settings = load_settings(boot.data_dir).settings
    clock = SystemClock()
    metrics = open_metrics(metrics_folder, models=[model.name for model in CATALOGUE])
    async with AsyncExitStack() as stack:
        stack.callback(metrics.close)
        enter, performance = stack.enter_async_context, settings.performance
        redis = await enter(open_redis(boot.redis_url, pool_size=performance.redis_connections))
        cipher = SecretCipher(list(boot.secret_keys))
        transport = await enter(open_transport(performance.upstream_connections))
        media = await enter(join_media(boot, redis, settings))
        parts = await enter(join_dispatch(boot, redis, transport, settings, media, gauge=metrics))
        accounts = parts.accounts
        images = ImageService(Dispatcher(parts), patience_s=settings.image.timeout_s)
        models = join_models(accounts, settings)
        videos = await enter(join_videos(redis, cipher, parts, media, models, settings))
        keys = join_keys(redis, settings)
        yield AppState(
            settings=settings,
            chat=join_chat(models, parts, images, videos, media, settings),
            images=images,
            videos=videos,
            models=models,
            keys=keys,
            responses=await enter(join_responses(redis, cipher, settings)),
            admin_auth=AdminAuth(SetupStore(redis), clock, password=settings.app.app_key),
            overview=join_overview(redis, accounts, settings),
            operator=join_operator(boot, redis, transport, settings),
            explainer=join_explainer(redis, accounts, models, keys, settings),
            sessions=Sessions(SessionStore(redis)),
            files=parts.files,
            media=media.library,
            links=media.links,
            health=Health(partial(ping, redis)),
            clock=clock,
            metrics=metrics,
        )


@asynccontextmanager
async def open_maintenance(boot: BootSettings) -> AsyncIterator[Runner]:
    """Build one maintenance process; `boot.redis_url` names its store.

    Raises:
        SettingsError: a setting does not hold.
    """
    settings = load_settings(boot.data_dir).settings
    async with (
        # Its own: a renewal must not wait for jobs.
        open_redis(boot.redis_url, pool_size=1) as for_leader,
        open_redis(boot.redis_url, pool_size=settings.performance.redis_connections) as redis,
        open_transport(settings.performance.upstream_connections) as transport,
    ):
        operator = join_operator(boot, redis, transport, settings)
        leader = Leader(LeaderStore(for_leader), ttl_s=settings.maintenance.leader_ttl_s)
        interval_s, cache = settings.maintenance.lease_reap_interval_s, settings.cache.local
        jobs = [
            build_lease_reaper(AccountTimers(redis), interval_s),
            build_batch_job(operator.batch_runner),
            build_quota_refresh(AccountEdits(redis), operator.quota, settings.account.refresh),
            *build_media_jobs(build_media_upkeep(redis, boot.data_dir, settings), cache),
        ]
        yield Runner(leader, jobs)


@asynccontextmanager
async def open_admin(boot: BootSettings) -> AsyncIterator[AdminTools]:
    """Build what commands need; `boot.redis_url` names a store that runs.

    Raises:
        SettingsError: a setting does not hold.
    """
    settings = load_settings(boot.data_dir).settings
    async with (
        open_redis(boot.redis_url, pool_size=ADMIN_CONNECTIONS) as redis,
        open_transport(settings.performance.upstream_connections) as transport,
    ):
        store = AccountStore(redis, SecretCipher(list(boot.secret_keys)))
        keys = join_keys(redis, settings)
        models = join_models(store, settings)
        yield AdminTools(
            operator=join_operator(boot, redis, transport, settings),
            max_concurrency=settings.account.max_concurrency,
            keys=keys,
            models=models,
            setup=Setup(SetupStore(redis), keys, password=settings.app.app_key),
            health=Health(partial(ping, redis)),
            explainer=join_explainer(redis, store, models, keys, settings),
            sessions=Sessions(SessionStore(redis)),
            read_server_facts=partial(read_server_facts, redis),
        )
