"""What every answer tells browsers."""

from typing import Final

POLICY: Final = b"content-security-policy"
FOR_PAGES: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""For answers that have a policy of their own, such as pages."""
FOR_ALL_ELSE: Final = (*FOR_PAGES, (POLICY, b"default-src 'none'; frame-ancestors 'none'"))
"""Whatever a browser makes of such an answer, it may load and run nothing."""
