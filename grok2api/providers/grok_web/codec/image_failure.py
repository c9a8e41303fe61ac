"""How the making of pictures fails. The public messages hold none of the upstream's words."""

from grok2api.errors import UpstreamError, UpstreamProtocolError, UpstreamUnavailableError
from grok2api.providers.grok_web.codec import refusal

INCOMPLETE = "image_generation_incomplete"


def withheld() -> UpstreamError:
    """The content rules kept back every picture."""
    return refusal.content_rejected(status=None, detail="every picture was withheld")


def empty() -> UpstreamError:
    """Nothing came at all."""
    return UpstreamProtocolError("The upstream's answer was empty.", code="upstream_stream_empty")


def incomplete(made: int, n: int) -> UpstreamError:
    """Fewer pictures came than were asked for; final, for the account has paid for them."""
    error = UpstreamProtocolError(f"The upstream made {made} of {n} pictures.", code=INCOMPLETE)
    error.is_final = True
    return error


def no_edit() -> UpstreamError:
    """An edit ended without a picture."""
    error = UpstreamProtocolError(
        "The upstream finished the edit without a picture.", code="image_edit_incomplete"
    )
    error.is_final = True
    return error


def blocked() -> UpstreamError:
    """A picture was half made and never finished; another account may fare better."""
    return UpstreamUnavailableError(
        "The upstream began a picture and did not finish it.", code="image_blocked"
    )


def unfetched(detail: str, *, status: int | None = None) -> UpstreamError:
    """A file that was made cannot be had; final, for it lies with one account only."""
    error = UpstreamUnavailableError(
        "The upstream does not hand over a file that it made.",
        status=status,
        code="asset_unavailable",
        detail=detail,
    )
    error.is_final = True
    return error
