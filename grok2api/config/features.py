"""Settings of what a request gets when it does not say, and how answers show what was made."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

ImageFormat = Literal["grok_url", "local_url", "grok_md", "local_md", "base64"]
VideoFormat = Literal["grok_url", "local_url", "grok_html", "local_html"]


class FeatureSettings(Struct, frozen=True, kw_only=True):
    """What a request gets when it does not say."""

    stream: Annotated[
        bool,
        Meta(title="Stream", description="Stream the answer when the request does not say."),
    ] = False
    thinking: Annotated[
        bool,
        Meta(
            title="Reasoning",
            description=(
                "Show reasoning when the request does not say. The Messages API shows it only "
                "when asked to."
            ),
        ),
    ] = True
    temporary: Annotated[
        bool,
        Meta(title="Temporary chats", description="Keep conversations out of the site's history."),
    ] = True
    memory: Annotated[
        bool,
        Meta(title="Memory", description="Let the site use what it remembers of the account."),
    ] = False
    custom_instruction: Annotated[
        str,
        Meta(
            title="Custom instruction",
            description="Personality text sent with each chat request; empty: none.",
            max_length=16_000,
        ),
    ] = ""
    show_search_sources: Annotated[
        bool,
        Meta(title="Search sources", description="End answers with a list of the pages searched."),
    ] = False
    auto_chat_mode_fallback: Annotated[
        bool,
        Meta(
            title="Fallback of auto",
            description="Models of mode auto are served by fast, then expert, when it is used up.",
        ),
    ] = True
    enable_nsfw: Annotated[
        bool,
        Meta(
            title="Sensitive pictures",
            description="Let pictures be made that the site calls sensitive; the account decides.",
        ),
    ] = True
    image_format: Annotated[
        ImageFormat,
        Meta(
            title="Pictures in answers",
            description=(
                "How a chat shows pictures. local_md, local_url: a link to this server, as "
                "Markdown or alone; grok_md, grok_url: the site's own link, which often opens only "
                "with the account's cookies; base64: the picture itself."
            ),
        ),
    ] = "local_md"
    imagine_public_image_proxy: Annotated[
        bool,
        Meta(
            title="Public pictures",
            description="Keep pictures of the site's public host too.",
        ),
    ] = False
    video_format: Annotated[
        VideoFormat,
        Meta(
            title="Videos in answers",
            description=(
                "How a chat shows a video: local_url, local_html link to this server; grok_url, "
                "grok_html to the site; html is a player."
            ),
        ),
    ] = "local_url"
