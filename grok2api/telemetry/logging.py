"""One line per event, JSON or for the eye; secrets are cut out on every way to the output."""

import asyncio
import logging
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from grok2api.config.boot import BootSettings
from grok2api.config.logs import LoggingSettings
from grok2api.errors import SettingsError
from grok2api.telemetry.log_file import LogFile
from grok2api.telemetry.redaction import redact

_FOREIGN_LOGGERS = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.asgi",
    "gunicorn.error",
)
# Our own line says more, without query strings; with no handler their servers do not even ask.
_REPLACED_LOGGERS = ("uvicorn.access", "gunicorn.access")
_CHATTY_LOGGERS = ("uvicorn.error", "httpx", "httpcore", "asyncio", "websockets", "multipart")
_BYTES_PER_MB = 1024 * 1024
_file: LogFile | None = None
_is_ours = False
_ENCODER = msgspec.json.Encoder(enc_hook=str)


class LineLogger:
    """Writes finished lines to one stream; what structlog wraps."""

    __slots__ = ("_stream", "name")

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name = name
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line, in one call, so that lines of several processes do not mix.

        One that cannot be written is lost: no request may fail for it.
        """
        with suppress(OSError, ValueError):  # nobody reads any more, a full disk, a closed stream
            try:
                self._stream.write(line + "\n")
            except UnicodeEncodeError:
                self._stream.write(f"{line.encode('ascii', 'backslashreplace').decode()}\n")
            self._stream.flush()

    log = debug = info = warning = warn = error = critical = fatal = exception = failure = msg


def configure_process_logging(
    boot: BootSettings, settings: LoggingSettings, *, needs_file: bool = False
) -> None:
    """Log as the settings say: to the standard output, and to their file if they name one.

    Raises:
        SettingsError: with `needs_file`, the file cannot be written.
    """
    global _file, _is_ours  # noqa: PLW0603 - a process has one log
    _file, path = None, boot.data_dir / boot.log_file
    if boot.log_file:
        max_bytes = settings.file_max_mb * _BYTES_PER_MB
        _file = LogFile(path, max_bytes=max_bytes, backups=settings.file_backups)
    configure_logging(settings.level, boot.log_format, file=_file)
    sys.excepthook, threading.excepthook = _log_crash, _log_thread_crash
    logging.captureWarnings(capture=True)
    if _file is not None:
        try:
            _file.check()
        except OSError as error:
            problem = f"logging.file: {path}: {error.strerror}"
            if needs_file:
                raise SettingsError(problem) from None
            structlog.get_logger(__name__).warning("log_file_not_opened", detail=problem)
    _is_ours = True


def follow_logging(settings: LoggingSettings) -> None:
    """Log as changed settings say, where this process logs as settings say."""
    if not _is_ours:
        return
    if _file is not None:
        _file.max_bytes = settings.file_max_mb * _BYTES_PER_MB
        _file.backups = settings.file_backups
    _set_level(logging.getLevelNamesMapping()[settings.level.upper()])


def configure_logging(
    level: str = "info",
    log_format: str = "auto",
    stream: TextIO | None = None,
    *,
    file: LogFile | None = None,
) -> None:
    """Send our events and those of every library to `stream` (default: standard output).

    `file` gets the same lines, always as JSON. It is the caller's.
    `log_format` is "json", "console" or "auto": console when the stream is a terminal. Call it once
    per process, before the first request; calling it again replaces the earlier choice.
    """
    output = sys.stdout if stream is None else stream
    is_console = log_format == "console" or (log_format == "auto" and output.isatty())
    minimum = logging.getLevelNamesMapping()[level.upper()]
    render = _console_renderer(output) if is_console else _json_renderer()
    stamp: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_logger_name,
        # A person at the terminal knows the date; a machine wants it, in one zone.
        structlog.processors.TimeStamper(
            fmt="%H:%M:%S" if is_console else "iso", utc=not is_console, key="ts"
        ),
    ]
    tail: list[Processor] = [structlog.processors.format_exc_info, _redact_event]
    tail += [*([_copy_to(file)] if file else []), *render]
    structlog.configure(
        processors=[*stamp, *tail],
        logger_factory=lambda *names: LineLogger(names[0] if names else "grok2api", output),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*stamp, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
    )
    _route_stdlib(formatter, output)
    _set_level(minimum)


def _set_level(minimum: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(minimum))
    logging.getLogger().setLevel(minimum)
    for name in _CHATTY_LOGGERS:
        # At info these tell of every step, and some print whole URLs with their queries.
        logging.getLogger(name).setLevel(max(minimum, logging.WARNING))


def _route_stdlib(formatter: logging.Formatter, output: TextIO) -> None:
    # What a library says wrongly would be printed with all its arguments, past our formatter.
    logging.raiseExceptions = False
    handler = logging.StreamHandler(output)
    handler.addFilter(_is_worth_a_line)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for name in _FOREIGN_LOGGERS:
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
        foreign.setLevel(logging.NOTSET)
    for name in _REPLACED_LOGGERS:
        replaced = logging.getLogger(name)
        replaced.handlers.clear()
        replaced.propagate = False


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Drop the traceback that uvicorn prints for every request cancelled at shutdown."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _add_logger_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    event["logger"] = record.name if record is not None else getattr(logger, "name", "grok2api")
    return event


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    safe: MutableMapping[str, Any] = redact(event)
    return safe


def _copy_to(file: LogFile) -> Processor:
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts")

    def copy(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        line = stamp(logger, method, {**event})
        line["msg"] = line.pop("event", "")
        file.write(_encode_json(line))
        return event

    return copy


def _json_renderer() -> list[Processor]:
    return [
        structlog.processors.EventRenamer("msg"),
        structlog.processors.JSONRenderer(serializer=_encode_json),
    ]


def _console_renderer(output: TextIO) -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(colors=output.isatty(), timestamp_key="ts")]


def _encode_json(event: EventDict, **_: Any) -> str:
    try:
        return _ENCODER.encode(event).decode()
    except UnicodeEncodeError:  # half a character: clients may send that in JSON
        return _ENCODER.encode(_mended(event)).decode()


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return [_mended(item) for item in value] if isinstance(value, list) else value


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger(__name__).critical("crashed", exc_info=(kind, error, trace))


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    if crash.exc_value is not None:
        _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)
