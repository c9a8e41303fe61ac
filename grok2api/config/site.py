"""Settings of the way to the site: its addresses, the browser we look like, the proxy."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

ChatTransport = Literal["auto", "websocket", "http"]
StatsigMode = Literal["none", "fallback", "manual"]


class UpstreamSettings(Struct, frozen=True, kw_only=True):
    """The site, and the browser we look like to it."""

    grok_url: Annotated[
        str,
        Meta(
            title="Site",
            description="Where chats are held.",
            pattern=r"^https?://[^\s/]+/?$",
            extra={"form": "an http or https address without a path"},
        ),
    ] = "https://grok.com"
    assets_url: Annotated[
        str,
        Meta(
            title="Assets",
            description="Where files lie.",
            pattern=r"^https?://[^\s/]+/?$",
            extra={"form": "an http or https address without a path"},
        ),
    ] = "https://assets.grok.com"
    imagine_public_url: Annotated[
        str,
        Meta(
            title="Public pictures",
            description="Where pictures lie that anybody may see.",
            pattern=r"^https?://[^\s/]+/?$",
            extra={"form": "an http or https address without a path"},
        ),
    ] = "https://imagine-public.x.ai"
    chat_transport: Annotated[
        ChatTransport,
        Meta(
            title="Chat transport",
            description="auto: WebSocket, and HTTP for accounts whose user id cannot be had.",
        ),
    ] = "auto"
    browser: Annotated[
        str,
        Meta(
            title="Browser profile",
            description="TLS and HTTP/2 profile; it must fit the user agent.",
            pattern=r"^[a-z0-9_]+$",
            extra={"form": "a profile name such as chrome146"},
        ),
    ] = "chrome146"
    user_agent: Annotated[
        str,
        Meta(
            title="User agent",
            description="Must fit the browser profile and any clearance cookie.",
            pattern=r"^[\x20-\x7e]+$",
            extra={"form": "printable ASCII text"},
        ),
    ] = (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 "
        "(KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36"
    )
    accept_language: Annotated[
        str,
        Meta(
            title="Languages",
            description="Accept-Language.",
            pattern=r"^[\x20-\x7e]+$",
            extra={"form": "printable ASCII text"},
        ),
    ] = "en-US,en;q=0.9"
    statsig_mode: Annotated[
        StatsigMode,
        Meta(
            title="x-statsig-id",
            description="none: not sent; fallback: the page's own substitute; manual: your value.",
        ),
    ] = "fallback"
    statsig_value: Annotated[
        str,
        Meta(
            title="x-statsig-id value",
            description="Sent when the mode is manual.",
            pattern=r"^[\x21-\x7e]*$",
            extra={"secret": True, "form": "printable ASCII text without spaces"},
        ),
    ] = ""

    def __repr__(self) -> str:
        return f"UpstreamSettings(grok_url={self.grok_url!r}, browser={self.browser!r})"


class ProxySettings(Struct, frozen=True, kw_only=True):
    """The way out to the site."""

    url: Annotated[
        str,
        Meta(
            title="Proxy",
            description="http, https, socks4, socks4a, socks5 or socks5h URL; empty: direct.",
            pattern=r"^((https?|socks4a?|socks5h?)://\S+)?$",
            extra={"secret": True, "form": "a proxy URL such as socks5h://host:1080"},
        ),
    ] = ""
    cf_cookies: Annotated[
        str,
        Meta(
            title="Clearance cookies",
            description="`name=value; …` from your browser, on this exit and with this user agent.",
            pattern=r"^[\x20-\x7e]*$",
            extra={"secret": True, "form": "printable ASCII text"},
        ),
    ] = ""

    def __repr__(self) -> str:
        return "ProxySettings(…)"
