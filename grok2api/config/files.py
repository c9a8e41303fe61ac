"""Files of the data folder: written whole or not at all, readable by their owner only."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from grok2api.errors import SettingsError

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def make_folder(path: Path) -> None:
    """Create `path`, for its owner only, and see that files can be made in it.

    Raises:
        SettingsError: it cannot be created or written to.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        why = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise SettingsError(
            f"data folder {path}: {why}; choose another with --data-dir or DATA_DIR, "
            "or let this user write to it"
        ) from None


def create_once(path: Path, content: bytes) -> bool:
    """Create `path` with `content`, mode 0600; False where it exists, which is left as it is.

    Of several processes that try, exactly one succeeds, and nobody ever sees half a file.

    Raises:
        SettingsError: the folder cannot be written to.
    """
    try:
        return _link_new(path, content)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from None


def read_text(path: Path) -> str | None:
    """Return the text of `path`; None where there is none.

    Raises:
        SettingsError: it cannot be read or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: byte {error.start} is not UTF-8 text") from None


def _link_new(path: Path, content: bytes) -> bool:
    if path.exists():
        return False
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path)
        return True
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name; a hard link, unlike a rename, never replaces another's."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # A file system without links (some network and USB folders): a narrow race is left.
        if path.exists():
            raise FileExistsError from None
        temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
