"""All that an operator works with, built for a worker, a command or a maintenance process."""

from collections.abc import Mapping
from dataclasses import dataclass

from grok2api.clock import Clock
from grok2api.config.schema import Settings
from grok2api.domain.account import ProviderKind
from grok2api.domain.batch import BatchKind
from grok2api.providers.base import Provider
from grok2api.services.account_actions import AccountActions
from grok2api.services.account_desk import AccountDesk, DeskParts
from grok2api.services.account_names import AccountNames
from grok2api.services.account_query import AccountSearch
from grok2api.services.accounts import Accounts
from grok2api.services.asset_batches import AssetBatches
from grok2api.services.assets import Assets
from grok2api.services.batch_exports import BatchExports
from grok2api.services.batch_handlers import build_account_handlers
from grok2api.services.batch_runner import BatchRunner
from grok2api.services.batches import Batches
from grok2api.services.quota import QuotaService
from grok2api.services.sensitive_content import SensitiveContent
from grok2api.store.account_edits import AccountEdits
from grok2api.store.account_replacement import AccountReplacement
from grok2api.store.accounts import AccountStore
from grok2api.store.batch_results import BatchResults
from grok2api.store.batches import BatchStore
from grok2api.store.cipher import SecretCipher
from grok2api.store.connection import RedisClient


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's tools. `batch_runner` is for who leads maintenance."""

    accounts: Accounts
    actions: AccountActions
    desk: AccountDesk
    names: AccountNames
    search: AccountSearch
    quota: QuotaService
    assets: Assets
    batches: Batches
    batch_exports: BatchExports
    batch_runner: BatchRunner


def build_operator(
    redis: RedisClient,
    cipher: SecretCipher,
    providers: Mapping[ProviderKind, Provider],
    settings: Settings,
    clock: Clock,
) -> Operator:
    """Build the tools on a store."""
    store, edits = AccountStore(redis, cipher), AccountEdits(redis)
    quota = QuotaService(store, edits, providers, settings.account.refresh, clock)
    accounts = Accounts(store, providers, clock)
    actions = AccountActions(store, edits, quota, settings.account)
    names = AccountNames(providers)
    batch_store = BatchStore(redis)
    batches = Batches(batch_store, list(BatchKind), keep_s=settings.batch.keep_s)
    results = BatchResults(redis, cipher)
    exports = BatchExports(batches, results, store)
    assets = Assets(store, edits, providers)
    sensitive = SensitiveContent(store, edits, providers)
    handlers = build_account_handlers(actions, sensitive, exports, AssetBatches(assets, results))
    return Operator(
        accounts=accounts,
        actions=actions,
        desk=AccountDesk(
            DeskParts(store, edits, AccountReplacement(redis, cipher), accounts, actions, names),
            keep_s=settings.account.deleted_keep_s,
        ),
        names=names,
        search=AccountSearch(store),
        quota=quota,
        assets=assets,
        batches=batches,
        batch_exports=exports,
        batch_runner=BatchRunner(batch_store, handlers, concurrency=settings.batch.concurrency),
    )
