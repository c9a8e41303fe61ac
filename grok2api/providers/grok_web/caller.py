"""One site as one account sees it: requests with its cookies, browser and exit."""

import secrets
import string
import uuid
from collections.abc import Sequence
from typing import Final

from grok2api.domain.account import Mode
from grok2api.domain.upstream import UpstreamRequest
from grok2api.domain.video import VideoPart, VideoPlan, VideoRequest
from grok2api.providers.grok_web.codec import (
    assets,
    edits,
    imagine_requests,
    requests,
    uploads,
    video,
)
from grok2api.providers.grok_web.codec.credits import credits_query
from grok2api.providers.grok_web.codec.identity import (
    Browser,
    Headers,
    build_cookie,
    clearance_cookies,
    download_headers,
    fallback_statsig,
    grpc_headers,
    json_headers,
    manual_statsig,
    session_headers,
    signed_grpc_headers,
    socket_headers,
    upload_headers,
)
from grok2api.providers.grok_web.codec.media_quota import IMAGINE_PAGE, media_quota_query
from grok2api.providers.grok_web.codec.preference import preference_change
from grok2api.providers.grok_web.codec.quota import quota_query
from grok2api.providers.grok_web.options import GrokWebOptions
from grok2api.providers.session import UpstreamSession
from grok2api.upstream.transport import Exit

_LETTERS: Final = string.ascii_lowercase
_LETTERS_AND_DIGITS: Final = _LETTERS + string.digits


class Caller:
    """Builds requests; all that does not change is made once."""

    __slots__ = ("_browser", "_clearance", "_manual", "_mode", "_url", "exit", "turn")

    def __init__(self, options: GrokWebOptions) -> None:
        self._url = options.grok_url.rstrip("/")
        self._browser = Browser(options.user_agent, options.accept_language)
        self._clearance = clearance_cookies(options.cf_cookies)
        self._mode = options.statsig_mode
        self._manual = manual_statsig(options.statsig_value)
        self.exit = Exit(options.proxy_url, options.profile)
        self.turn = requests.TurnOptions(
            is_temporary=options.temporary,
            has_memory=options.memory,
            instruction=options.custom_instruction,
        )

    def http_turn(self, session: UpstreamSession, prompt: str, mode: str) -> UpstreamRequest:
        """Build the request of a turn over HTTP."""
        headers = self._json_headers(session)
        attachments = tuple(file.id for file in session.attachments)
        return requests.http_turn(self._url, headers, prompt, mode, self.turn, attachments)

    def upload(
        self, session: UpstreamSession, body: bytes, boundary: str, *, for_media: bool = False
    ) -> UpstreamRequest:
        """Build the request that uploads a file; a `boundary` of "" says that the body is JSON."""
        if not boundary:  # the older form came from the chat page, whatever it was for
            return uploads.json_upload(self._url, self._json_headers(session), body)
        page = IMAGINE_PAGE if for_media else "/"
        headers = upload_headers(self._browser, self._cookie(session), boundary, page=page)
        return uploads.direct_upload(self._url, headers, body)

    def deletion(self, session: UpstreamSession, file_id: str) -> UpstreamRequest:
        """Build the request that deletes an uploaded file."""
        return uploads.deletion(self._url, self._json_headers(session, page="/files"), file_id)

    def asset_query(self, session: UpstreamSession, token: str) -> UpstreamRequest:
        """Build the request for a page of what the account keeps."""
        return assets.list_query(self._url, self._json_headers(session, page="/files"), token)

    def download(self, session: UpstreamSession, place: assets.Place) -> UpstreamRequest:
        """Build the request that fetches a file; the session goes only where it must."""
        cookie = self._cookie(session) if place.needs_session else ""
        headers = download_headers(self._browser, cookie, str(uuid.uuid4()))
        return UpstreamRequest("GET", place.url, headers)

    def imagine_handshake(self, session: UpstreamSession) -> UpstreamRequest:
        """Build the WebSocket upgrade for pictures."""
        headers = socket_headers(self._browser, self._cookie(session))
        return imagine_requests.imagine_handshake(self._url, headers)

    def edit(self, session: UpstreamSession, body: bytes, *, page: str) -> UpstreamRequest:
        """Build the request that edits pictures, as `page` of the site would send it."""
        return edits.edit_turn(self._url, self._json_headers(session, page=page), body)

    def picture_post(self, session: UpstreamSession, prompt: str) -> UpstreamRequest:
        """Build the request for the post under which the older form of an edit stands."""
        headers = self._json_headers(session, page=IMAGINE_PAGE)
        return edits.picture_post(self._url, headers, prompt)

    def quota_query(self, session: UpstreamSession, mode: Mode) -> UpstreamRequest:
        """Build the request that asks for the window of one mode."""
        return quota_query(self._url, self._json_headers(session), mode)

    def media_quota_query(self, session: UpstreamSession) -> UpstreamRequest:
        """Build the request that asks for the windows of pictures and videos."""
        return media_quota_query(self._url, self._json_headers(session, page=IMAGINE_PAGE))

    def credits_query(self, session: UpstreamSession) -> UpstreamRequest:
        """Build the request that asks for the weekly allowance."""
        return credits_query(self._url, grpc_headers(self._browser, self._cookie(session)))

    def preference_change(self, session: UpstreamSession, *, is_on: bool) -> UpstreamRequest:
        """Build the request that turns the account's switch for sensitive content."""
        headers = signed_grpc_headers(
            self._browser, self._cookie(session), str(uuid.uuid4()), self._statsig()
        )
        return preference_change(self._url, headers, is_on=is_on)

    def video(
        self,
        session: UpstreamSession,
        request: VideoRequest,
        plan: VideoPlan,
        done: Sequence[VideoPart],
    ) -> UpstreamRequest:
        """Build the request for the part of a video that follows `done`."""
        headers = self._json_headers(session, page=video.page_of(plan, done))
        return video.generation(self._url, headers, request, plan, done)

    def video_post(self, session: UpstreamSession, prompt: str) -> UpstreamRequest:
        """Build the request for the post of a video from text."""
        return video.video_post(self._url, self._json_headers(session, page=IMAGINE_PAGE), prompt)

    def image_post(self, session: UpstreamSession, image_url: str) -> UpstreamRequest:
        """Build the request for the post of a reference."""
        headers = self._json_headers(session, page=IMAGINE_PAGE)
        return video.image_post(self._url, headers, image_url)

    def upscaling(self, session: UpstreamSession, video_id: str) -> UpstreamRequest:
        """Build the request for a video in a higher resolution."""
        return video.upscaling(self._url, self._json_headers(session, page=IMAGINE_PAGE), video_id)

    def session_query(self, session: UpstreamSession) -> UpstreamRequest:
        """Build the request that asks for the account's user id."""
        return requests.session_query(
            self._url, session_headers(self._browser, self._cookie(session))
        )

    def gateway_handshake(self, session: UpstreamSession, user_id: str) -> UpstreamRequest:
        """Build the WebSocket upgrade."""
        cookie = self._cookie(session, user_id)
        return requests.gateway_handshake(self._url, socket_headers(self._browser, cookie), user_id)

    def _json_headers(self, session: UpstreamSession, *, page: str = "/") -> Headers:
        cookie, request_id = self._cookie(session), str(uuid.uuid4())
        return json_headers(self._browser, cookie, request_id, self._statsig(), page=page)

    def _cookie(self, session: UpstreamSession, user_id: str = "") -> str:
        own = clearance_cookies(session.credentials.cookies)
        return build_cookie(session.credentials.session, own or self._clearance, user_id=user_id)

    def _statsig(self) -> str:
        match self._mode:
            case "none":
                return ""
            case "manual":
                return self._manual
            case "fallback":
                alphabet, count = secrets.choice(((_LETTERS_AND_DIGITS, 5), (_LETTERS, 10)))
                return fallback_statsig("".join(secrets.choice(alphabet) for _ in range(count)))
