"""Settings of the log that may change while processes run."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

LogLevel = Literal["debug", "info", "warning", "error"]


class LoggingSettings(Struct, frozen=True, kw_only=True):
    """What is logged. Format and file are read at start."""

    level: Annotated[
        LogLevel,
        Meta(
            title="Log level",
            description="Least important lines that are still written.",
            extra={
                "env": ("LOG_LEVEL",),
                "synonyms": {"warn": "warning", "critical": "error", "trace": "debug"},
            },
        ),
    ] = "info"
    file_max_mb: Annotated[
        int,
        Meta(
            title="Log file size",
            description="A new log file is begun when one has this size.",
            ge=1,
            le=10_240,
        ),
    ] = 50
    file_backups: Annotated[
        int,
        Meta(
            title="Old log files",
            description="Log files that are kept besides the newest.",
            ge=1,
            le=1000,
        ),
    ] = 5
