"""Usage: what a finished request was, for limits, statistics and the request log."""

from msgspec import Struct

from grok2api.domain.ids import AccountId, CallId, ClientKeyId, VideoJobId


class AttemptFact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try with one account. `error` is an `ErrorKind`, "" on success; times in ms.

    `started_ms` counts from the request's beginning. `exit` is the way out that it took: "" for
    none of its own, "proxy" for the operator's.
    """

    account: AccountId
    outcome: str
    error: str = ""
    code: str = ""
    status: int = 0
    started_ms: int = 0
    duration_ms: int = 0
    exit: str = ""


class FinishedRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request that is over, also one that was refused. Never what was said in it.

    `key_id` is "" where no key was presented or known; `model` the catalogue's name, `requested`
    what the client wrote; `account` the last one that served it. `status` is the HTTP status told
    to the client; 499: it left before. `first_output_ms` is None where nothing visible was sent.
    `job` is the video that it began, or asked for once more.
    """

    id: str
    at_s: float
    route: str
    method: str = ""
    dialect: str = ""
    key_id: ClientKeyId = ClientKeyId("")
    call_id: CallId = CallId("")
    model: str = ""
    requested: str = ""
    mode: str = ""
    account: AccountId = AccountId("")
    status: int = 0
    error: str = ""
    code: str = ""
    is_stream: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    units: int = 0
    duration_ms: int = 0
    first_output_ms: int | None = None
    waited_ms: int = 0
    affinity: str = ""
    client: str = ""
    agent: str = ""
    job: VideoJobId = VideoJobId("")
    attempts: tuple[AttemptFact, ...] = ()

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 400 and not self.error  # noqa: PLR2004 - HTTP's own words

    @property
    def tokens(self) -> int:
        """What its key pays: nothing for a prompt that no account was asked to answer."""
        is_unasked = not (self.is_success or self.attempts or self.output_tokens)
        return 0 if is_unasked else self.input_tokens + self.output_tokens


class UsageCount(Struct, frozen=True, kw_only=True):
    """Sums over requests. Durations in ms; `first_outputs` are those that had one."""

    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    units: int = 0
    duration_ms: int = 0
    first_output_ms: int = 0
    first_outputs: int = 0
