"""An upstream that keeps files of accounts, and plays what may go wrong with them."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from grok2api.errors import CredentialRejectedError, UpstreamError, UpstreamUnavailableError
from grok2api.providers.media import Asset, AssetPage, Download
from grok2api.providers.session import UpstreamSession

PAGE = 3


def dead_session(*, is_confirmed: bool = True) -> UpstreamError:
    return CredentialRejectedError("The session is dead.", is_confirmed=is_confirmed)


@dataclass
class Shelf:
    """Files by session, `PAGE` a page. `refusals` are raised for a session, `stuck` stay."""

    kept: dict[str, list[Asset]] = field(default_factory=dict)
    refusals: dict[str, UpstreamError] = field(default_factory=dict)
    stuck: dict[str, UpstreamError] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    repeats: bool = False

    def put(self, session: str, count: int) -> None:
        self.kept[session] = [
            Asset(
                id=f"asset-{number}",
                name=f"{number}.png",
                media_type="image/png",
                size_bytes=10,
                created_at="2026-01-01T00:00:00Z",
            )
            for number in range(count)
        ]

    async def list_page(self, session: UpstreamSession, token: str = "") -> AssetPage:
        name = session.credentials.session
        self._admit(name)
        self.tokens.append(token)
        start = int(token or 0)
        found = self.kept.get(name, [])
        following = str(start + PAGE) if start + PAGE < len(found) else ""
        return AssetPage(
            tuple(found[start : start + PAGE]), (token or "0") if self.repeats else following
        )

    async def delete(self, asset_id: str, session: UpstreamSession) -> None:
        name = session.credentials.session
        self._admit(name)
        if asset_id in self.stuck:
            raise self.stuck[asset_id]
        self.kept[name] = [asset for asset in self.kept.get(name, []) if asset.id != asset_id]

    def download(
        self, url: str, session: UpstreamSession, *, is_video: bool = False
    ) -> AbstractAsyncContextManager[Download]:
        raise UpstreamUnavailableError("Nothing is fetched here.")

    def _admit(self, name: str) -> None:
        if name in self.refusals:
            raise self.refusals[name]
