"""The object graph: the one place that loads settings and joins the parts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grok2api.assembly import (
    join_chat,
    join_cluster,
    join_dispatch,
    join_explainer,
    join_keys,
    join_media,
    join_models,
    join_operator,
    join_overview,
    join_responses,
    join_usage,
    join_videos,
)
from grok2api.clock import SystemClock
from grok2api.config.loader import load_boot, load_sources, prepare
from grok2api.config.schema import BootSettings, Settings
from grok2api.config.stats import MOST_ACTIONS
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import OPERATIONS
from grok2api.maintenance.following import FollowingRunner
from grok2api.maintenance.jobs.batches import build_batch_job
from grok2api.maintenance.jobs.lease_reaper import build_lease_reaper
from grok2api.maintenance.jobs.media_cleanup import build_media_jobs
from grok2api.maintenance.jobs.quota_refresh import build_quota_refresh
from grok2api.maintenance.jobs.quota_totals import build_quota_totals
from grok2api.maintenance.leader import Leader
from grok2api.maintenance.runner import Runner
from grok2api.services.action_log import ActionLog
from grok2api.services.admin_auth import AdminAuth
from grok2api.services.client_keys import ClientKeys
from grok2api.services.dispatch import Dispatcher
from grok2api.services.explain import Explainer, UseOfKeys
from grok2api.services.health import Health
from grok2api.services.images import ImageService
from grok2api.services.media_upkeep import build_media_upkeep
from grok2api.services.models import ModelCatalog
from grok2api.services.operator import Operator
from grok2api.services.process import Shared
from grok2api.services.rate_limits import RateLimits
from grok2api.services.records import Records, build_records
from grok2api.services.sessions import Sessions
from grok2api.services.settings import ConfigTools, SettingsDesk
from grok2api.services.settings_check import with_check
from grok2api.services.settings_watch import SettingsWatch
from grok2api.services.setup import Setup
from grok2api.store.account_edits import AccountEdits
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.action_log import ActionLogStore
from grok2api.store.admissions import AdmissionStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient, open_redis, ping
from grok2api.store.leader import LeaderStore
from grok2api.store.logins import LoginStore
from grok2api.store.metered import MeteredRedis
from grok2api.store.quota_left import QuotaLeftStore
from grok2api.store.rate_limits import RateLimitStore
from grok2api.store.server_facts import ServerFacts, read_server_facts
from grok2api.store.sessions import SessionStore
from grok2api.store.settings import SettingsStore
from grok2api.store.setup import SetupStore
from grok2api.store.videos import VideoStore
from grok2api.telemetry.logging import configure_process_logging, follow_logging
from grok2api.telemetry.metrics import Metrics, open_metrics
from grok2api.telemetry.tracing import Tracing, open_tracing
from grok2api.upstream.curl import open_transport
from grok2api.web.client_address import TrustedProxies
from grok2api.web.drain import Drain
from grok2api.web.following import Following
from grok2api.web.graphs import Graphs
from grok2api.web.state import AppState

ADMIN_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class AdminTools:
    """What commands and the first start work with. `max_concurrency` is every account's limit."""

    operator: Operator
    max_concurrency: int
    keys: ClientKeys
    use_of_keys: UseOfKeys
    models: ModelCatalog
    setup: Setup
    health: Health
    explainer: Explainer
    sessions: Sessions
    records: Records
    videos: VideoStore
    admin_auth: AdminAuth
    read_server_facts: Callable[[], Awaitable[ServerFacts]]


def load_boot_settings() -> BootSettings:
    """Read what this process needs to exist, its data folder made ready.

    Raises:
        SettingsError: a setting does not hold, or the folder cannot be used.
    """
    return prepare(load_boot())


def begin_logging(boot: BootSettings) -> None:
    """Log as file and environment say; what the store says of it counts once that is read.

    Raises:
        SettingsError: a setting does not hold.
    """
    configure_process_logging(boot, load_sources(boot.data_dir).compose().settings.logging)


@asynccontextmanager
async def _open_shared(
    boot: BootSettings, *, pool_size: int | None = None, metrics: Metrics | None = None
) -> AsyncIterator[Shared]:
    """Open what a process needs before it knows all settings, and read them.

    With `metrics`, calls of the store are measured.

    Raises:
        SettingsError: a setting does not hold.
    """
    sources = with_check(load_sources(boot.data_dir))
    base = sources.compose().settings
    size = pool_size or base.performance.redis_connections
    async with (
        open_redis(boot.redis_url, pool_size=size) as plain,
        open_transport(base.performance.upstream_connections) as transport,
    ):
        redis = plain if metrics is None else MeteredRedis(plain, metrics)
        cipher = SecretCipher(list(boot.secret_keys))
        store = SettingsStore(redis, cipher)
        watch = SettingsWatch(store, sources, base)
        await watch.begin()
        desk = SettingsDesk(store, sources, boot)
        yield Shared(boot, redis, cipher, transport, watch, desk, metrics)


@asynccontextmanager
async def open_gateway(
    boot: BootSettings, *, metrics_folder: Path | None = None
) -> AsyncIterator[Graphs]:
    """Build everything one worker needs, anew whenever settings change.

    All of it is closed at the end, in reverse.

    Raises:
        SettingsError: a setting does not hold.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        operations = {model.name: OPERATIONS[model.capability] for model in CATALOGUE}
        metrics = open_metrics(metrics_folder, models=operations)
        stack.callback(metrics.close)
        tracer = open_tracing(boot.tracing_endpoint)
        tracing = await enter(tracer) if tracer else None
        shared = await enter(_open_shared(boot, metrics=metrics))
        open_state = partial(_open_state, shared, metrics, tracing, Drain())
        graphs = await enter(Graphs(open_state, is_unread=shared.watch.is_unread))
        await graphs.replace(shared.watch.settings)
        await enter(Following(shared.watch, graphs))
        yield graphs


@asynccontextmanager
async def _open_state(
    shared: Shared, metrics: Metrics, tracing: Tracing | None, drain: Drain, settings: Settings
) -> AsyncIterator[AppState]:
    """Build what the settings shape."""
    boot, redis = shared.boot, shared.redis
    clock = SystemClock()
    shared.bounds.resize(settings)
    follow_logging(settings.logging)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        media = await enter(join_media(boot, redis, settings))
        parts = await enter(join_dispatch(shared, settings, media))
        accounts = parts.accounts
        images = ImageService(Dispatcher(parts), patience_s=settings.image.timeout_s)
        models = join_models(accounts, settings)
        videos = await enter(join_videos(shared, parts, media, models, settings))
        usage = await enter(join_usage(boot, redis, settings, parts.cleanup))
        keys = join_keys(redis, settings)
        yield AppState(
            settings=settings,
            chat=join_chat(models, parts, images, videos, media, settings),
            images=images,
            videos=videos,
            usage=usage.recorder,
            admissions=usage.admissions,
            records=usage.records,
            models=models,
            keys=keys,
            responses=await enter(join_responses(shared, settings)),
            admin_auth=AdminAuth(LoginStore(redis), clock, password=settings.app.app_key),
            rate_limits=RateLimits(RateLimitStore(redis), settings.security),
            overview=join_overview(redis, accounts, settings),
            operator=join_operator(boot, redis, shared.transport, settings),
            explainer=join_explainer(redis, accounts, models, keys, settings),
            sessions=Sessions(SessionStore(redis)),
            config=shared.config,
            files=parts.files,
            media=media.library,
            links=media.links,
            health=Health(partial(ping, redis)),
            clock=clock,
            metrics=metrics,
            drain=drain,
            proxies=TrustedProxies(boot.forwarded_allow_ips),
            cluster=join_cluster(redis, accounts, media.library),
            tracing=tracing,
        )


@asynccontextmanager
async def open_maintenance(boot: BootSettings) -> AsyncIterator[FollowingRunner]:
    """Build one maintenance process; `boot.redis_url` names its store.

    Raises:
        SettingsError: a setting does not hold.
    """
    async with (
        # Its own: a renewal must not wait for jobs.
        open_redis(boot.redis_url, pool_size=1) as for_leader,
        _open_shared(boot) as shared,
    ):
        yield FollowingRunner(shared.watch, partial(_build_runner, shared, for_leader))


def _build_runner(shared: Shared, for_leader: RedisClient, settings: Settings) -> Runner:
    """Build the jobs that the settings ask for."""
    redis, cache = shared.redis, settings.cache.local
    follow_logging(settings.logging)
    operator = join_operator(shared.boot, redis, shared.transport, settings)
    leader = Leader(LeaderStore(for_leader), ttl_s=settings.maintenance.leader_ttl_s)
    jobs = [
        build_lease_reaper(AccountTimers(redis), settings.maintenance.lease_reap_interval_s),
        build_batch_job(operator.batch_runner),
        build_quota_refresh(AccountEdits(redis), operator.quota, settings.account.refresh),
        build_quota_totals(AccountStore(redis, shared.cipher), QuotaLeftStore(redis)),
        *build_media_jobs(build_media_upkeep(redis, shared.boot.data_dir, settings), cache),
    ]
    return Runner(leader, jobs)


@asynccontextmanager
async def open_admin(boot: BootSettings) -> AsyncIterator[AdminTools]:
    """Build what commands need; `boot.redis_url` names a store that runs.

    Raises:
        SettingsError: a setting does not hold.
    """
    async with _open_shared(boot, pool_size=ADMIN_CONNECTIONS) as shared:
        settings, redis, transport = shared.watch.settings, shared.redis, shared.transport
        store = AccountStore(redis, shared.cipher)
        keys = join_keys(redis, settings)
        models = join_models(store, settings)
        yield AdminTools(
            operator=join_operator(boot, redis, transport, settings),
            max_concurrency=settings.account.max_concurrency,
            keys=keys,
            use_of_keys=AdmissionStore(redis).usage,
            models=models,
            setup=Setup(SetupStore(redis), keys, password=settings.app.app_key),
            health=Health(partial(ping, redis)),
            explainer=join_explainer(redis, store, models, keys, settings),
            sessions=Sessions(SessionStore(redis)),
            records=build_records(redis, settings.stats),
            videos=VideoStore(redis, shared.cipher),
            admin_auth=AdminAuth(LoginStore(redis), SystemClock(), password=settings.app.app_key),
            read_server_facts=partial(read_server_facts, redis),
        )


@asynccontextmanager
async def open_config(boot: BootSettings) -> AsyncIterator[ConfigTools]:
    """Build what changes settings, also where those that are stored cannot be used.

    Raises:
        SettingsError: the file, or the environment, does not hold.
    """
    async with open_redis(boot.redis_url, pool_size=1) as redis:
        store = SettingsStore(redis, SecretCipher(list(boot.secret_keys)))
        # How many actions are kept may be what cannot be read: a note of here drives out none.
        actions = ActionLog(ActionLogStore(redis, max_entries=MOST_ACTIONS))
        desk = SettingsDesk(store, with_check(load_sources(boot.data_dir)), boot)
        yield ConfigTools(desk, actions)
