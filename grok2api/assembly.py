"""The larger parts of the object graph, each built from the smaller ones."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from grok2api.clock import SystemClock
from grok2api.config.schema import BootSettings, Settings
from grok2api.domain.account import ProviderKind
from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import Capability
from grok2api.providers.base import Provider
from grok2api.providers.registry import build_providers, read_options
from grok2api.services.admission import Admissions, CallKeeper
from grok2api.services.attempt import DispatchParts
from grok2api.services.chat import ChatService
from grok2api.services.cleanup import Cleanup
from grok2api.services.client_keys import ClientKeys
from grok2api.services.cluster_facts import ClusterReader
from grok2api.services.dispatch import Dispatcher
from grok2api.services.explain import Explainer
from grok2api.services.files import FileDesk
from grok2api.services.image_chat import ImageChat
from grok2api.services.images import ImageService
from grok2api.services.leases import LeaseKeeper
from grok2api.services.lender import READ_WAIT_S, Lender, build_policy
from grok2api.services.media import MediaLibrary, build_media_library
from grok2api.services.media_links import MediaLinks
from grok2api.services.models import ModelCatalog
from grok2api.services.operator import Operator, build_operator
from grok2api.services.overview import Overview
from grok2api.services.pictures import Pictures
from grok2api.services.process import Bounds, Shared
from grok2api.services.reaper import Reaper
from grok2api.services.records import Records, build_records, open_recorder
from grok2api.services.responses import Responses, open_responses
from grok2api.services.summaries import Summaries
from grok2api.services.usage import UsageRecorder
from grok2api.services.video_chat import VideoChat
from grok2api.services.video_parts import VideoParts
from grok2api.services.video_references import VideoReferences
from grok2api.services.videos import Videos, open_videos
from grok2api.store.account_edits import AccountEdits
from grok2api.store.account_timers import AccountTimers
from grok2api.store.accounts import AccountStore
from grok2api.store.admissions import AdmissionStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.client_keys import ClientKeyStore
from grok2api.store.cluster import ClusterStore
from grok2api.store.connection import RedisClient, open_redis
from grok2api.store.lanes import LaneStore
from grok2api.store.leader import LeaderStore
from grok2api.store.quota_left import QuotaLeftStore
from grok2api.store.responses import ResponseStore
from grok2api.store.videos import VideoStore
from grok2api.store.wakeups import Wakeups
from grok2api.telemetry.tokens import estimate_tokens
from grok2api.upstream.fetch import open_fetcher
from grok2api.upstream.guard import GuardRules
from grok2api.upstream.transport import Transport


@dataclass(frozen=True, slots=True)
class MediaParts:
    """What keeps pictures and videos, links to them, and shows them in answers."""

    library: MediaLibrary
    links: MediaLinks
    pictures: Pictures
    cleanup: Cleanup


@asynccontextmanager
async def join_media(
    boot: BootSettings, redis: RedisClient, settings: Settings
) -> AsyncIterator[MediaParts]:
    """Open all that has to do with kept pictures and videos."""
    links = MediaLinks(boot.secret_keys, settings.media, SystemClock())
    async with Cleanup() as cleanup:
        library = build_media_library(redis, boot.data_dir, settings, cleanup)
        pictures = Pictures(
            library,
            links,
            settings.features,
            public_url=settings.upstream.imagine_public_url,
            max_mb=settings.image.max_mb,
        )
        yield MediaParts(library, links, pictures, cleanup)


@asynccontextmanager
async def join_dispatch(
    shared: Shared, settings: Settings, media: MediaParts
) -> AsyncIterator[DispatchParts]:
    """Open all that serving a request with an account needs."""
    boot, redis, metrics = shared.boot, shared.redis, shared.metrics
    accounts = AccountStore(redis, shared.cipher)
    interval_s = settings.maintenance.lease_reap_interval_s
    async with (
        join_files(settings, shared.bounds) as files,
        LeaseKeeper(accounts, ttl_s=settings.account.lease_ttl_s, gauge=metrics) as keeper,
        Reaper(AccountTimers(redis), interval_s=interval_s),
        join_lender(boot.redis_url, accounts, keeper, media.cleanup, settings) as lender,
    ):
        yield DispatchParts(
            accounts=accounts,
            lender=lender,
            providers=join_providers(shared.transport, settings),
            keeper=keeper,
            cleanup=media.cleanup,
            clock=SystemClock(),
            retry=settings.retry,
            account=settings.account,
            chat=settings.chat,
            files=files,
            pictures=media.pictures,
            exit="proxy" if settings.proxy.url else "",
            meter=metrics,
        )


@asynccontextmanager
async def join_lender(
    redis_url: str,
    accounts: AccountStore,
    keeper: LeaseKeeper,
    cleanup: Cleanup,
    settings: Settings,
) -> AsyncIterator[Lender]:
    """Open what lends accounts to requests, with a connection of its own."""
    policy = build_policy(settings.account)
    async with (
        # Its own: reading occupies it.
        open_redis(redis_url, pool_size=1, timeout_s=2 * READ_WAIT_S) as redis,
        Lender(accounts, Wakeups(redis), keeper, cleanup, policy) as lender,
    ):
        yield lender


@asynccontextmanager
async def join_files(settings: Settings, bounds: Bounds) -> AsyncIterator[FileDesk]:
    """Open what takes in the files of requests."""
    async with open_fetcher(
        settings.performance.upstream_connections,
        GuardRules(),
        timeout_s=settings.files.fetch_timeout_s,
    ) as fetcher:
        budget, uploads = bounds.file_bytes, bounds.uploads
        yield FileDesk(fetcher, settings.files, budget=budget, uploads=uploads)


def join_models(accounts: AccountStore, settings: Settings) -> ModelCatalog:
    """Return the models and the names that the operator gives them."""
    return ModelCatalog(
        accounts,
        aliases=settings.models.aliases,
        falls_back=settings.features.auto_chat_mode_fallback,
    )


def join_explainer(
    redis: RedisClient,
    accounts: AccountStore,
    models: ModelCatalog,
    keys: ClientKeys,
    settings: Settings,
) -> Explainer:
    """Return what says why an account is chosen or not."""
    return Explainer(
        store=accounts,
        edits=AccountEdits(redis),
        lanes=LaneStore(redis),
        timers=AccountTimers(redis),
        models=models,
        keys=keys,
        use_of_keys=AdmissionStore(redis).usage,
        policy=build_policy(settings.account),
    )


def join_responses(shared: Shared, settings: Settings) -> AbstractAsyncContextManager[Responses]:
    """Return what keeps responses; it is to be opened."""
    store, summaries = ResponseStore(shared.redis, shared.cipher), Summaries(shared.cipher)
    return open_responses(store, summaries, settings.responses, shared.bounds.background)


def join_overview(redis: RedisClient, accounts: AccountStore, settings: Settings) -> Overview:
    """Return what counts accounts for pages."""
    strategy = settings.account.selection.strategy
    return Overview(accounts, LeaderStore(redis), strategy=strategy)


def join_cluster(
    redis: RedisClient, accounts: AccountStore, library: MediaLibrary
) -> ClusterReader:
    """Return what reads the facts of all hosts for metrics."""
    return ClusterReader(
        accounts, LeaderStore(redis), library, ClusterStore(redis), QuotaLeftStore(redis)
    )


def join_keys(redis: RedisClient, settings: Settings) -> ClientKeys:
    """Return what knows the client keys."""
    return ClientKeys(
        ClientKeyStore(redis),
        SystemClock(),
        configured=settings.app.api_key,
        allow_anonymous=settings.security.allow_anonymous_api,
        models={*(model.name for model in CATALOGUE), *settings.models.aliases},
    )


def join_operator(
    boot: BootSettings, redis: RedisClient, transport: Transport, settings: Settings
) -> Operator:
    """Return what operators do to accounts."""
    cipher = SecretCipher(list(boot.secret_keys))
    providers = join_providers(transport, settings)
    return build_operator(redis, cipher, providers, settings, SystemClock())


def join_providers(transport: Transport, settings: Settings) -> dict[ProviderKind, Provider]:
    """Return every kind of upstream, as the settings want it."""
    return build_providers(transport, read_options(settings), SystemClock())


def join_chat(
    models: ModelCatalog,
    parts: DispatchParts,
    images: ImageService,
    videos: Videos,
    media: MediaParts,
    settings: Settings,
) -> ChatService:
    """Return what answers chats, with models of pictures and videos too."""
    features = settings.features
    drawer = ImageChat(images, parts.files, parts.pictures, features)
    filmer = VideoChat(
        videos,
        parts.files,
        media.links,
        parts.cleanup,
        features.video_format,
        is_older=settings.video.protocol == "older",
    )
    return ChatService(
        models,
        Dispatcher(parts),
        count_tokens=estimate_tokens,
        others={
            Capability.IMAGE: drawer,
            Capability.IMAGE_EDIT: drawer,
            Capability.VIDEO: filmer,
        },
    )


def join_videos(
    shared: Shared,
    parts: DispatchParts,
    media: MediaParts,
    models: ModelCatalog,
    settings: Settings,
) -> AbstractAsyncContextManager[Videos]:
    """Return what makes videos; it is to be opened."""
    library, cipher, workers = media.library, shared.cipher, shared.bounds.videos
    store, references = VideoStore(shared.redis, cipher), VideoReferences(library, cipher)
    return open_videos(
        VideoParts(parts, store, library, references, settings.video, workers), models
    )


@dataclass(frozen=True, slots=True)
class UsageParts:
    """What lets calls in within the limits of their keys, and writes down what they used."""

    admissions: Admissions
    recorder: UsageRecorder
    records: Records


@asynccontextmanager
async def join_usage(
    boot: BootSettings, redis: RedisClient, settings: Settings, cleanup: Cleanup
) -> AsyncIterator[UsageParts]:
    """Open all that has to do with the use that keys make of the gateway."""
    store = AdmissionStore(redis)
    async with (
        CallKeeper(store, ttl_s=settings.account.lease_ttl_s) as keeper,
        # It ends first: what it still records is settled while calls are alive.
        open_recorder(redis, boot.data_dir, settings.stats) as recorder,
    ):
        admissions = Admissions(store, keeper, cleanup, SystemClock())
        yield UsageParts(admissions, recorder, build_records(redis, settings.stats))
