"""Settings of the accounts: how they are chosen, how they rest, how their quota is asked for."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

SelectionStrategy = Literal["max_quota", "random", "weighted", "lru"]


class SelectionSettings(Struct, frozen=True, kw_only=True):
    """Which account serves a request, and how long a request waits for one."""

    strategy: Annotated[
        SelectionStrategy,
        Meta(
            title="Strategy",
            description=(
                "max_quota: the account with most queries left; random: any; weighted: any, those "
                "with more left more often; lru: the one that rested longest."
            ),
            extra={"synonyms": {"quota": "max_quota", "weighted_random": "weighted"}},
        ),
    ] = "max_quota"
    affinity_ttl_s: Annotated[
        float,
        Meta(
            title="Affinity",
            description=(
                "A conversation stays with its account until it has paused this long; 0: it may "
                "change with every request."
            ),
            ge=0,
            le=2_592_000,
        ),
    ] = 3600.0
    wait_s: Annotated[
        float,
        Meta(
            title="Wait",
            description="How long a request waits when every account is busy; 0: not at all.",
            ge=0,
            le=300,
        ),
    ] = 15.0
    max_waiting: Annotated[
        int,
        Meta(
            title="Waiting requests",
            description="Requests that wait at the same time, over all workers and hosts.",
            ge=0,
            le=1_000_000,
        ),
    ] = 1000
    max_waiting_per_key: Annotated[
        int,
        Meta(
            title="Waiting requests of a key",
            description="Requests of one client key that wait at the same time.",
            ge=0,
            le=1_000_000,
        ),
    ] = 100


class RefreshSettings(Struct, frozen=True, kw_only=True):
    """How often the site is asked what an account has left."""

    enabled: Annotated[
        bool,
        Meta(
            title="Refresh",
            description="Ask by itself; without it numbers are only counted and reset by time.",
        ),
    ] = True
    basic_interval_s: Annotated[
        float,
        Meta(
            title="Basic accounts",
            description="Pause between two questions about a basic account.",
            ge=60,
            le=2_592_000,
        ),
    ] = 86_400.0
    super_interval_s: Annotated[
        float,
        Meta(
            title="Super accounts",
            description="Pause between two questions about a super account.",
            ge=60,
            le=2_592_000,
        ),
    ] = 7200.0
    heavy_interval_s: Annotated[
        float,
        Meta(
            title="Heavy accounts",
            description="Pause between two questions about a heavy account.",
            ge=60,
            le=2_592_000,
        ),
    ] = 7200.0
    concurrency: Annotated[
        int,
        Meta(
            title="Questions at once",
            description="Accounts asked about at the same time, for the whole cluster.",
            ge=1,
            le=200,
        ),
    ] = 10
    on_demand_min_interval_s: Annotated[
        float,
        Meta(
            title="On demand",
            description=(
                "Shortest pause between two refreshes that an exhausted pool asks for, for the "
                "whole cluster."
            ),
            ge=1,
            le=86_400,
        ),
    ] = 300.0


class AccountSettings(Struct, frozen=True, kw_only=True):
    """How much one account is used, and how it rests."""

    max_concurrency: Annotated[
        int,
        Meta(
            title="Concurrent requests",
            description="Requests one account serves at the same time, over all workers and hosts.",
            ge=1,
            le=1000,
        ),
    ] = 8
    lease_ttl_s: Annotated[
        float,
        Meta(
            title="Lease lifetime",
            description="After a crash, a lost slot is free again this soon.",
            ge=5,
            le=3600,
        ),
    ] = 60.0
    cooldown_s: Annotated[
        float,
        Meta(
            title="Cooldown",
            description="Rest of a rate-limited account when the upstream names no time.",
            ge=1,
            le=604_800,
        ),
    ] = 900.0
    max_cooldown_s: Annotated[
        float,
        Meta(
            title="Longest cooldown",
            description="Rests that grow with every further limit grow up to this.",
            ge=1,
            le=604_800,
        ),
    ] = 1800.0
    deleted_keep_s: Annotated[
        float,
        Meta(
            title="Deleted accounts",
            description="A deleted account can be restored this long; then it is gone for good.",
            ge=0,
            le=31_536_000,
        ),
    ] = 604_800.0
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    refresh: RefreshSettings = field(default_factory=RefreshSettings)
