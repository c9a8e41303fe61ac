"""Every metric there is. Units are in the names; label values come from closed sets.

`gen_ai_*` follow the conventions of OpenTelemetry for generative models, `g2a_*` are our own.
"""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import prometheus_client.values
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from grok2api.telemetry.cluster_metrics import ClusterCollector, ClusterFacts
from grok2api.telemetry.metric_values import LiveSlots, Slot, slot_values, take_slot

CONTENT_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"

_DURATION_BUCKETS_S = (0.01, 0.04, 0.16, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 300.0)
_FIRST_TOKEN_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)
_WAIT_BUCKETS_S = (0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STORE_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0)
_OPERATION_LABEL = "gen_ai_operation_name"
_MODEL_LABELS = (_OPERATION_LABEL, "gen_ai_provider_name", "gen_ai_request_model")
_ANSWER_LABELS = (*_MODEL_LABELS, "route", "dialect", "status")
_PROVIDER = "x_ai"
_OTHER_OPERATION = "other"


class ServedRequest(Struct, frozen=True, kw_only=True):
    """What one finished request adds to the metrics.

    `model` is "" where there was none; `first_token_s` None where nothing visible was sent.
    """

    route: str
    method: str
    dialect: str
    model: str
    status: int
    error: str
    duration_s: float
    first_token_s: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0


class Metrics:
    """The metrics of this process. Methods are cheap and never fail a request."""

    def __init__(
        self,
        directory: Path | None = None,
        slot: Slot | None = None,
        models: Mapping[str, str] | None = None,
    ) -> None:
        self._directory = directory
        self._slot = slot
        self._models = models or {}
        self._registry = CollectorRegistry()
        self._open_requests(self._registry)
        self._open_upstream(self._registry)
        self._open_store(self._registry)

    def _open_requests(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "g2a_requests_total",
            "Finished HTTP requests.",
            ("route", "method", "dialect", "model", "status", "error_type"),
            registry=registry,
        )
        self._in_flight = Gauge(
            "g2a_requests_in_flight",
            "HTTP requests being served now.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._duration = Histogram(
            "gen_ai_server_request_duration_seconds",
            "From the request's arrival to the end of its answer.",
            _ANSWER_LABELS,
            buckets=_DURATION_BUCKETS_S,
            registry=registry,
        )
        self._first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "From the request's arrival to the first visible event of a stream.",
            _ANSWER_LABELS,
            buckets=_FIRST_TOKEN_BUCKETS_S,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "Estimated tokens of a request.",
            (*_MODEL_LABELS, "gen_ai_token_type"),
            buckets=_TOKEN_BUCKETS,
            registry=registry,
        )

    def _open_upstream(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "g2a_upstream_attempts_total",
            "Tries to serve a request with one account.",
            (_OPERATION_LABEL, "outcome", "error_type"),
            registry=registry,
        )
        self._attempt_duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "From having an account to the end of what the upstream made with it, or its failure.",
            (_OPERATION_LABEL, "gen_ai_provider_name", "error_type"),
            buckets=_DURATION_BUCKETS_S,
            registry=registry,
        )
        self._waits = Histogram(
            "g2a_account_wait_seconds",
            "From asking for an account to having one, or giving up.",
            (_OPERATION_LABEL,),
            buckets=_WAIT_BUCKETS_S,
            registry=registry,
        )
        self._leases = Gauge(
            "g2a_account_leases",
            "Account slots held by this gateway's workers now.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def _open_store(self, registry: CollectorRegistry) -> None:
        self._store_errors = Counter(
            "g2a_redis_errors_total", "Requests that failed because of Redis.", registry=registry
        )
        self._store_calls = Histogram(
            "g2a_store_call_duration_seconds",
            "Calls of Redis, by script or command, waiting for a free connection included.",
            ("call",),
            buckets=_STORE_BUCKETS_S,
            registry=registry,
        )
        self._store_call_errors = Counter(
            "g2a_store_call_errors_total",
            "Calls of Redis that failed, by script or command.",
            ("call",),
            registry=registry,
        )

    def request_started(self) -> None:
        """One more request is being served."""
        self._in_flight.inc()

    def request_ended(self, served: ServedRequest) -> None:
        """A request is over, however it ended."""
        self._in_flight.dec()
        model = self._known_model(served.model)
        status = _class_of(served.status)
        self._requests.labels(
            served.route, served.method, served.dialect, model, status, served.error
        ).inc()

    def answer_ended(self, served: ServedRequest) -> None:
        """What a model was asked for is over: with its request, or later where nobody waits."""
        if not served.model:
            return
        model = self._known_model(served.model)
        labels = (self._models.get(model, _OTHER_OPERATION), _PROVIDER, model)
        end = (*labels, served.route, served.dialect, _class_of(served.status))
        self._duration.labels(*end).observe(served.duration_s)
        if served.first_token_s is not None:
            self._first_token.labels(*end).observe(served.first_token_s)
        if served.output_tokens:
            self._tokens.labels(*labels, "input").observe(served.input_tokens)
            self._tokens.labels(*labels, "output").observe(served.output_tokens)

    def attempt_ended(self, operation: str, outcome: str, error: str, duration_s: float) -> None:
        """A try with one account is over; all are words of our own enums."""
        self._attempts.labels(operation, outcome, error).inc()
        self._attempt_duration.labels(operation, _PROVIDER, error).observe(duration_s)

    def account_awaited(self, operation: str, duration_s: float) -> None:
        """A request has an account, or has given up."""
        self._waits.labels(operation).observe(duration_s)

    def lease_taken(self) -> None:
        """One more account slot is held."""
        self._leases.inc()

    def lease_ended(self) -> None:
        """An account slot is free again."""
        self._leases.dec()

    def store_failed(self) -> None:
        """Redis did not answer."""
        self._store_errors.inc()

    def store_called(self, call: str, duration_s: float, *, has_failed: bool) -> None:
        """A call of Redis is over; `call` is the name of a script or command of ours."""
        self._store_calls.labels(call).observe(duration_s)
        if has_failed:
            self._store_call_errors.labels(call).inc()

    def render(self, facts: ClusterFacts | None = None) -> bytes:
        """Return all workers' numbers in the text format; reads files, so call it in a thread.

        `facts` are what the store knows of all hosts together; None where it does not answer.
        """
        whole = CollectorRegistry()
        whole.register(self._registry if self._directory is None else LiveSlots(self._directory))
        whole.register(ClusterCollector(facts))
        whole.register(_BUILD)
        return generate_latest(whole)

    def close(self) -> None:
        """Give this process's slot back; its counters stay in the sums."""
        if self._slot is not None:
            self._slot.close()

    def _known_model(self, name: str) -> str:
        return name if not name or name in self._models else OTHER


def _class_of(status: int) -> str:
    return f"{status // 100}xx"


class _Build:
    """Which program this is."""

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "g2a_build_info", "The version that answered.", labels=("version", "python_version")
        )
        family.add_metric((version("grok2api"), platform.python_version()), 1)
        yield family


_BUILD: Final = _Build()


def open_metrics(directory: Path | None, *, models: Mapping[str, str] | None = None) -> Metrics:
    """Build this process's metrics; call it once per process, after the fork.

    `directory` is shared by the workers of one machine, on a memory file system and emptied when
    the master starts; None keeps the numbers in this process alone. `models` are the names that may
    appear as labels, and what operation each is for; any other is counted as "other".

    Raises:
        OSError: the directory cannot be used.
    """
    # Many workers together have none either.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    if directory is None:
        prometheus_client.values.ValueClass = prometheus_client.values.MutexValue
        return Metrics(models=models)
    slot = take_slot(directory)
    prometheus_client.values.ValueClass = slot_values(directory, slot)
    return Metrics(directory, slot, models)
