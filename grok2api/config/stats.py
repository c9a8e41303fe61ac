"""Settings of statistics and of the logs of requests and of administrators' actions."""

from typing import Annotated, Final

from msgspec import Meta, Struct

MOST_ACTIONS: Final = 1_000_000


class StatsSettings(Struct, frozen=True, kw_only=True):
    """What is counted and logged of finished requests, and for how long. Never what was said."""

    enabled: Annotated[
        bool,
        Meta(title="Statistics", description="Count finished requests, and log them."),
    ] = True
    hourly_retention_h: Annotated[
        int,
        Meta(title="Hours kept", description="How long sums of an hour are kept.", ge=1, le=744),
    ] = 48
    daily_retention_d: Annotated[
        int, Meta(title="Days kept", description="How long sums of a day are kept.", ge=1, le=732)
    ] = 30
    log_max_entries: Annotated[
        int,
        Meta(
            title="Requests logged",
            description="Length of the request log; the oldest go.",
            ge=1,
            le=1_000_000,
        ),
    ] = 10_000
    actions_max_entries: Annotated[
        int,
        Meta(
            title="Actions logged",
            description="Length of the log of what administrators did; the oldest go.",
            ge=1,
            le=MOST_ACTIONS,
        ),
    ] = 10_000
    flush_interval_s: Annotated[
        float,
        Meta(
            title="Gathering",
            description="Where many requests finish, they are counted together once in this time; "
            "one after a silence, and those of client keys with limits, do not wait.",
            ge=0,
            le=60,
        ),
    ] = 0.01
    file: Annotated[
        str,
        Meta(
            title="File",
            description="A file that finished requests are written to as well, as JSON lines; "
            "a relative path begins in the data folder; empty: none.",
        ),
    ] = ""
    file_max_mb: Annotated[
        int,
        Meta(
            title="Size of the file",
            description="A file of this size is put aside as FILE.1, and so on.",
            ge=1,
            le=102_400,
        ),
    ] = 100
    file_period_h: Annotated[
        int,
        Meta(
            title="Period of a file",
            description="The file is put aside this often too; 24: at each midnight of UTC.",
            ge=1,
            le=8784,
        ),
    ] = 24
    file_backups: Annotated[
        int,
        Meta(title="Files put aside", description="More make the oldest go.", ge=0, le=1000),
    ] = 14
