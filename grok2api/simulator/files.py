"""The files that pretend accounts have uploaded, and the list that shows all their files."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from types import MappingProxyType

from msgspec import Struct, structs

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.upload_payloads import IMAGINE_SOURCE, OLDER_SOURCE, Upload
from grok2api.simulator.gallery import Item
from grok2api.simulator.identity import make_uuid
from grok2api.simulator.ledger import SeenFile

_DIGEST_CHARS = 16
_MAX_BYTES = 64 * 1024 * 1024


class _Kept(Struct, frozen=True):
    """An upload, when it came, and the how manieth it was."""

    upload: Upload
    created_at_s: float
    serial: int


class Files:
    """Files by the id that their account was told; the oldest bytes go when there are too many."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0
        self._bytes = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._workable: set[str] = set()

    def keep(self, account: Account, upload: Upload, now_s: float) -> str:
        """Keep a file for the account that uploaded it; return its id."""
        serial = self.count()
        file_id = make_uuid("file", self._seed, account.user_id, serial)
        digest = hashlib.sha256(upload.content).hexdigest()[:_DIGEST_CHARS]
        size = len(upload.content)
        account.entry.note_upload(file_id, SeenFile(upload.name, upload.media_type, size, digest))
        if upload.source in (IMAGINE_SOURCE, OLDER_SOURCE):
            self._workable.add(file_id)
        self._kept[file_id] = _Kept(upload, now_s, serial)
        self._bytes += size
        while self._bytes > _MAX_BYTES:
            self._forget(next(iter(self._kept)))
        return file_id

    def count(self) -> int:
        """Number the files of all accounts, generated ones too, from 1."""
        self._count += 1
        return self._count

    def drop(self, account: Account, file_id: str) -> bool:
        """Delete a file of the account; False if it has none of this id."""
        if file_id in account.entry.files:
            self._forget(file_id)
            self._workable.discard(file_id)
        return account.entry.note_deletion(file_id)

    def read(self, account: Account, file_id: str) -> Upload | None:
        """Return a file of the account, if its bytes are still there."""
        kept = self._kept.get(file_id) if file_id in account.entry.files else None
        return None if kept is None else kept.upload

    def is_workable(self, file_id: str) -> bool:
        """Whether a file was uploaded to be worked on, or in the form that does not tell."""
        return file_id in self._workable

    def place(self, file_id: str) -> tuple[int, float]:
        """Return the how manieth a file is, and when it came."""
        kept = self._kept.get(file_id)
        return (0, 0.0) if kept is None else (kept.serial, kept.created_at_s)

    def _forget(self, file_id: str) -> None:
        kept = self._kept.pop(file_id, None)
        self._bytes -= 0 if kept is None else len(kept.upload.content)


class AssetView(Struct, frozen=True):
    """A file as the list of an account's files shows it."""

    assetId: str  # noqa: N815 - the site's spelling
    fileName: str  # noqa: N815
    filePath: str  # noqa: N815
    contentType: str  # noqa: N815
    fileSize: int  # noqa: N815
    createdAt: str  # noqa: N815


def list_files(
    account: Account, files: Files, made: Sequence[Item], *, start: int, count: int
) -> tuple[list[AssetView], bool]:
    """Return some of the account's files, uploaded and `made`, and whether more follow.

    The newest are first.
    """
    places: list[tuple[int, str | Item]] = [(item.serial, item) for item in made]
    places += [(files.place(file_id)[0], file_id) for file_id in account.entry.files]
    places.sort(key=itemgetter(0), reverse=True)
    shown = [
        _view_item(found) if isinstance(found, Item) else _view_upload(account, files, found)
        for _, found in places[start : start + count]
    ]
    return shown, len(places) > start + count


_SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "camel": AssetView.__struct_fields__,
        "plain": ("id", "name", "filePath", "contentType", "size", "createdAt"),
        "snake": ("id", "name", "file_path", "content_type", "size", "created_at"),
    }
)


def rename_keys(view: AssetView, names: str) -> dict[str, object]:
    """Return a file in one of the spellings that lists have been seen in."""
    return dict(zip(_SPELLINGS[names], structs.astuple(view), strict=True))


def content_path(account: Account, file_id: str) -> str:
    """Return where the site would keep a file."""
    return f"users/{account.user_id}/{file_id}/content"


def check_attachments(account: Account, file_ids: Sequence[str]) -> list[str]:
    """Return what is wrong with the files that a chat names."""
    missing = [f"attachment {i} was not uploaded" for i in file_ids if i not in account.entry.files]
    twice = [] if len(set(file_ids)) == len(file_ids) else ["an attachment is named twice"]
    return missing + twice


def _view_upload(account: Account, files: Files, file_id: str) -> AssetView:
    file, created = account.entry.files[file_id], _show_time(files.place(file_id)[1])
    path = content_path(account, file_id)
    return AssetView(file_id, file.name, path, file.media_type, file.size, created)


def _view_item(item: Item) -> AssetView:
    path, created = item.path.lstrip("/"), _show_time(item.created_at_s)
    name = path.rpartition("/")[2]
    return AssetView(item.asset_id, name, path, item.media_type, item.size(), created)


def _show_time(moment_s: float) -> str:
    moment = datetime.fromtimestamp(moment_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
