"""What a failing object store means: no path, address or key gets out."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import BaseError

from grok2api.errors import MediaStoreError

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn what an object store or a disk raises into an error of ours.

    Raises:
        MediaStoreError: it failed; the detail names the action, the kind of error and its code.
    """
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise _explain(action, error) from error


def _explain(action: str, error: Exception) -> MediaStoreError:
    number = getattr(error, "errno", None)
    code = errno.errorcode.get(number, "") if isinstance(number, int) else ""
    match = _CODE.search(str(error))
    told = match[1] if match else code
    detail = f"{action}: {type(error).__name__} {told}".rstrip()
    if number in _FULL:
        return MediaStoreError("The media store is full.", detail=detail)
    return MediaStoreError("The media store does not answer.", detail=detail)
