"""The files that pretend accounts have uploaded."""

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from grok2api.simulator.accounts import Account
from grok2api.simulator.frames.upload_payloads import Upload
from grok2api.simulator.identity import make_uuid
from grok2api.simulator.ledger import SeenFile

_DIGEST_CHARS = 16


class Files:
    """Files by the id that their account was told; their bytes are not kept."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def keep(self, account: Account, upload: Upload) -> str:
        """Keep a file for the account that uploaded it; return its id."""
        self._count += 1
        file_id = make_uuid("file", self._seed, account.user_id, self._count)
        digest = hashlib.sha256(upload.content).hexdigest()[:_DIGEST_CHARS]
        seen = SeenFile(upload.name, upload.media_type, len(upload.content), digest)
        account.entry.note_upload(file_id, seen)
        return file_id

    def drop(self, account: Account, file_id: str) -> bool:
        """Delete a file of the account; False if it has none of this id."""
        return account.entry.note_deletion(file_id)


class AssetView(Struct, frozen=True):
    """A file as the list of an account's files shows it."""

    assetId: str  # noqa: N815 - the site's spelling
    fileName: str  # noqa: N815
    filePath: str  # noqa: N815
    contentType: str  # noqa: N815
    fileSize: int  # noqa: N815


def list_files(account: Account) -> list[AssetView]:
    """Return the account's files, the newest first."""
    return [
        AssetView(file_id, file.name, content_path(account, file_id), file.media_type, file.size)
        for file_id, file in reversed(account.entry.files.items())
    ]


def content_path(account: Account, file_id: str) -> str:
    """Return where the site would keep a file."""
    return f"users/{account.user_id}/{file_id}/content"


def check_attachments(account: Account, file_ids: Sequence[str]) -> list[str]:
    """Return what is wrong with the files that a chat names."""
    missing = [f"attachment {i} was not uploaded" for i in file_ids if i not in account.entry.files]
    twice = [] if len(set(file_ids)) == len(file_ids) else ["an attachment is named twice"]
    return missing + twice
