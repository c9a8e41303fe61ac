"""What the site says about the account behind a session."""

from grok2api.errors import UpstreamProtocolError
from grok2api.providers.grok_web.codec import refusal
from grok2api.providers.grok_web.codec.failure import decode_json
from grok2api.providers.grok_web.codec.identity import canonical_uuid
from grok2api.providers.grok_web.codec.loose import as_mapping, as_text, first_text

MAX_SESSION_BYTES = 64 * 1024


def parse_user_id(body: bytes) -> str:
    """Return the account's user id, a UUID in lower case.

    Raises:
        CredentialRejectedError: the session is not valid, whatever else the answer holds.
        AccountForbiddenError: the account is blocked.
        UpstreamProtocolError: the answer names no usable id.
    """
    root = as_mapping(decode_json(body))
    status = as_text(root.get("status")).strip().lower()
    if status == "unauthenticated":
        raise refusal.dead_session(is_confirmed=True, status=None, detail="session status")
    if status == "blocked":
        raise refusal.blocked_account(status=None, detail="session status")
    user_id = (
        first_text(as_mapping(root.get("session")), "userId")
        or first_text(as_mapping(root.get("user")), "id", "userId", "sub")
        or first_text(root, "id", "userId", "sub")
    )
    if not canonical_uuid(user_id):
        raise UpstreamProtocolError(
            "The upstream did not say who the account is.", code="upstream_no_identity"
        )
    return canonical_uuid(user_id)
