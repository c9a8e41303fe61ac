"""Where lua/, templates/, static/ and other shipped files are: in a checkout or in the wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def find_resource(name: str) -> Path:
    """Return the file or folder `name` (such as "lua" or "gunicorn.conf.py").

    The wheel carries these beside the modules; a checkout has them one level up.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} is not part of this installation; install grok2api again")
