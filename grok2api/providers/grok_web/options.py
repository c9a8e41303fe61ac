"""What the operator sets for this kind of upstream."""

from typing import Literal

from msgspec import Struct

from grok2api.config.media import MediaProtocol
from grok2api.upstream.transport import Timeouts

ChatTransport = Literal["auto", "websocket", "http"]
StatsigMode = Literal["none", "fallback", "manual"]
UploadForm = Literal["direct", "json"]
EditForm = Literal["current", "older"]


class GrokWebOptions(Struct, frozen=True, kw_only=True):
    """Settings of the site, taken once. Secret in part, so its text shows nothing of them.

    `chat_transport` is `auto` for the gateway, and HTTP where an account's user id cannot be had.
    `cf_cookies` serve accounts that bring no clearance cookies of their own. `quota_timeout_s`,
    `settings_timeout_s` and `upload_timeout_s` are for one call as a whole. `upload_form` is the
    page's own, `direct`, or the older `json`.

    `public_url` is where pictures lie that need no session. `image_timeout_s` is for all pictures
    of a request; `image_final_chars` and `image_final_timeout_s` decide what is finished and what
    is blocked where the site tells no states. The two sizes bound what is fetched.
    `video_protocol` is `auto` for the page's own form, and the older one where only that will do;
    `video_timeout_s` is for one part, `video_idle_timeout_s` for the longest silence in it.
    """

    grok_url: str = "https://grok.com"
    assets_url: str = "https://assets.grok.com"
    public_url: str = "https://imagine-public.x.ai"
    chat_transport: ChatTransport = "auto"
    user_agent: str
    profile: str
    accept_language: str = "en-US,en;q=0.9"
    statsig_mode: StatsigMode = "fallback"
    statsig_value: str = ""
    temporary: bool = True
    memory: bool = False
    custom_instruction: str = ""
    cf_cookies: str = ""
    proxy_url: str = ""
    timeouts: Timeouts
    total_timeout_s: float = 600.0
    heartbeat_s: float = 25.0
    quota_timeout_s: float = 20.0
    settings_timeout_s: float = 15.0
    upload_form: UploadForm = "direct"
    upload_timeout_s: float = 60.0
    image_timeouts: Timeouts = Timeouts(connect_s=10.0, header_s=60.0, idle_s=60.0)
    image_timeout_s: float = 180.0
    image_final_chars: int = 100_000
    image_final_timeout_s: float = 15.0
    image_max_bytes: int = 32 * 1024 * 1024
    video_max_bytes: int = 1024 * 1024 * 1024
    edit_form: EditForm = "current"
    video_protocol: MediaProtocol = "auto"
    video_timeout_s: float = 900.0
    video_idle_timeout_s: float = 180.0

    def __repr__(self) -> str:
        return f"GrokWebOptions(grok_url={self.grok_url!r}, chat_transport={self.chat_transport!r})"
