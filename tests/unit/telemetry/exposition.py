"""A whole page of metrics: every one there is, with a sample."""

from grok2api.domain.catalogue import CATALOGUE
from grok2api.domain.model import OPERATIONS
from grok2api.telemetry.cluster_metrics import ClusterFacts, MediaFacts, PoolFacts
from grok2api.telemetry.metrics import ServedRequest, open_metrics

FACTS = ClusterFacts(
    pools=(
        PoolFacts(
            kind="grok_web",
            tier="basic",
            accounts={"active": 3, "cooling": 1},
            open_leases=2,
            granted=10,
            settled=7,
            left={"fast": 5},
            refunded=1,
        ),
    ),
    media=(
        MediaFacts(kind="image", count=4, size_bytes=4096, reserved_bytes=10, limit_bytes=9000),
        MediaFacts(kind="input", count=0, size_bytes=0, reserved_bytes=0, limit_bytes=None),
    ),
    waiting=5,
    batches={"open": 0, "running": 1},
    videos={"unfinished": 2, "ended": 3},
    leader_epoch=8,
)


def full_page(facts: ClusterFacts | None = FACTS) -> str:
    """Return the page with something in every metric."""
    model = CATALOGUE[0]
    operation = OPERATIONS[model.capability]
    metrics = open_metrics(None, models={model.name: operation})
    metrics.request_started()
    metrics.request_started()
    served = ServedRequest(
        route="/v1/x",
        method="POST",
        dialect="openai",
        model=model.name,
        status=200,
        error="",
        duration_s=0.5,
        first_token_s=0.2,
        input_tokens=3,
        output_tokens=5,
    )
    metrics.request_ended(served)
    metrics.answer_ended(served)
    metrics.attempt_ended(operation, "ok", "", 0.4)
    metrics.account_awaited(operation, 0.01)
    metrics.lease_taken()
    metrics.store_failed()
    metrics.store_called("account/acquire", 0.001, has_failed=True)
    return metrics.render(facts).decode()
