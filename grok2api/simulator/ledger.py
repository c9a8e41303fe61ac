"""What the simulator has seen: per account, and as a whole."""

from collections import deque
from typing import Literal

from msgspec import Struct, field

from grok2api.simulator.identity import short_hash

_MAX_VIOLATIONS = 100
_MAX_SUBMISSIONS = 1000


class SeenFile(Struct, frozen=True):
    """An uploaded file; `digest` is the head of its SHA-256."""

    name: str
    media_type: str
    size: int
    digest: str


class Submission(Struct):
    """A picture, an edit or a video that was asked for in good form.

    `units` is how many were asked for. `is_accepted` is False until no script and no quota has
    refused it; what was refused may be asked for elsewhere.
    """

    kind: Literal["image", "edit", "video", "extension"]
    prompt: str
    units: int = 1
    is_accepted: bool = False


class Entry(Struct):
    """The calls of one account. `calls` = `completed` + `cancelled` + `errors` + `open`.

    Per mode: `spent` counts the queries of accepted calls, `high_spent` the most that one window
    ever had used. `overspent` counts accepted calls for which no query was left. `quota_calls` and
    `credits_calls` are questions about quota, refused ones too. `sensitive_content` is the
    account's switch, None until somebody turns it. `files` are those it has uploaded and not
    deleted; `broken_uploads` counts clients that left in the middle of one, `attached` the files
    that accepted calls named.

    Of media: `submissions` are what was asked for, the oldest first; `posts` and `upscales` count
    successes. `download_tries` counts admitted requests for files, `downloads` those that were
    sent to their end.
    """

    name: str
    ref: str
    tier: str
    status: str
    calls: int = 0
    completed: int = 0
    cancelled: int = 0
    errors: int = 0
    open: int = 0
    high_water: int = 0
    pings: int = 0
    spent: dict[str, int] = field(default_factory=dict)
    high_spent: dict[str, int] = field(default_factory=dict)
    overspent: int = 0
    quota_calls: int = 0
    credits_calls: int = 0
    sensitive_content: bool | None = None
    uploads: int = 0
    upload_bytes: int = 0
    broken_uploads: int = 0
    deletes: int = 0
    attached: int = 0
    files: dict[str, SeenFile] = field(default_factory=dict)
    media_quota_calls: int = 0
    posts: int = 0
    upscales: int = 0
    download_tries: int = 0
    downloads: int = 0
    submissions: list[Submission] = field(default_factory=list)
    last_prompt: str = ""
    violations: list[str] = field(default_factory=list)

    def note_spent(self, mode: str, used: int, total: int, units: int = 1) -> None:
        """Count an accepted call; `used` of `total` queries of its window are gone now."""
        self.spent[mode] = self.spent.get(mode, 0) + units
        self.high_spent[mode] = max(self.high_spent.get(mode, 0), used)
        self.overspent += used > total

    def note_submission(self, submission: Submission) -> None:
        """Remember what was asked for; the newest are kept."""
        self.submissions.append(submission)
        del self.submissions[:-_MAX_SUBMISSIONS]

    def note_upload(self, file_id: str, file: SeenFile) -> None:
        """Keep a file that was uploaded."""
        self.uploads += 1
        self.upload_bytes += file.size
        self.files[file_id] = file

    def note_deletion(self, file_id: str) -> bool:
        """Forget a file that is deleted; False if there is none of this id."""
        is_there = self.files.pop(file_id, None) is not None
        self.deletes += is_there
        return is_there


class Call:
    """One chat call. The first of `finish`, `fail` and `cancel` counts, later ones do nothing."""

    __slots__ = ("_entry", "_is_open")

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._is_open = True
        entry.calls += 1
        entry.open += 1
        entry.high_water = max(entry.high_water, entry.open)

    def finish(self) -> None:
        """The client has been given the whole answer."""
        self._entry.completed += self._close()

    def fail(self) -> None:
        """The client has been given an error."""
        self._entry.errors += self._close()

    def cancel(self) -> None:
        """The client has left."""
        self._entry.cancelled += self._close()

    def _close(self) -> int:
        was_open, self._is_open = self._is_open, False
        self._entry.open -= was_open
        return int(was_open)


class SeenRequest(Struct, frozen=True):
    """A request without its cookies."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]


class Report(Struct, frozen=True):
    """The ledger as the control API shows it. `refs` leads from a short hash to a name."""

    open_sockets: int
    accounts: dict[str, Entry]
    refs: dict[str, str]
    violations: list[str]
    requests: list[SeenRequest]


RawRequest = tuple[str, str, bytes, list[tuple[bytes, bytes]]]


class Ledger:
    """Counters and the last requests."""

    def __init__(self, keep_requests: int) -> None:
        self._entries: dict[str, Entry] = {}
        self._requests: deque[RawRequest] = deque(maxlen=keep_requests)
        self._strangers: list[str] = []
        self.open_sockets = 0

    def add(self, entry: Entry) -> None:
        """Keep the books of an account; its name must be new."""
        self._entries[entry.name] = entry

    def remove(self, name: str) -> None:
        """Stop showing an account."""
        self._entries.pop(name, None)

    def reset(self) -> None:
        """Forget everything but the sockets that are open; calls that run keep their old page."""
        self._entries.clear()
        self._requests.clear()
        self._strangers.clear()

    def note_request(self, request: RawRequest) -> None:
        """Remember method, path, query string and headers; nothing is copied."""
        self._requests.append(request)

    def note_violations(self, entry: Entry | None, where: str, problems: list[str]) -> None:
        """Write down what a client did wrong; `entry` is None if the account is not known."""
        target = self._strangers if entry is None else entry.violations
        room = _MAX_VIOLATIONS - len(target)
        target.extend(f"{where}: {problem}" for problem in problems[: max(room, 0)])

    def report(self) -> Report:
        """Return everything; the entries are live, so encode them before the next await."""
        return Report(
            open_sockets=self.open_sockets,
            accounts=self._entries,
            refs={entry.ref: name for name, entry in self._entries.items()},
            violations=self._strangers
            + [f"{e.name}: {line}" for e in self._entries.values() for line in e.violations],
            requests=[_show(raw) for raw in self._requests],
        )


def hash_prompt(prompt: str) -> str:
    """Return what stands for a prompt in the ledger."""
    return short_hash(prompt)


def _show(raw: RawRequest) -> SeenRequest:
    method, path, query, headers = raw
    return SeenRequest(
        method,
        path,
        query.decode("latin-1"),
        [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in headers
            if name != b"cookie"
        ],
    )
