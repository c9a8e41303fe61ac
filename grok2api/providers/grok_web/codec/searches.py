"""Searches that the upstream runs by itself, and the hits they bring."""

from collections.abc import Iterable

from grok2api.domain.chat import (
    EventBatch,
    SearchCall,
    SearchKind,
    SearchStatus,
    Source,
    SourceKind,
)
from grok2api.providers.grok_web.codec.loose import as_list, as_mapping, first_text
from grok2api.providers.grok_web.codec.urls import clean_title, normalise_url, x_post_url

MAX_RUNS = 1024
MAX_SOURCES = 50
MAX_TITLES = 1024
MAX_QUERY_CHARS = 4096


class SearchLog:
    """The searches and sources of one answer. `has_runs` counts other tools too."""

    __slots__ = ("_calls", "_counter", "_seen", "_titles", "has_runs")

    def __init__(self) -> None:
        self._calls: dict[str, SearchCall] = {}
        self._seen: set[str] = set()
        self._titles: dict[str, str] = {}
        self._counter = 0
        self.has_runs = False

    def title_of(self, url: str) -> str:
        """Return the title of the page at `url`, if a search brought it."""
        return self._titles.get(url, "")

    def start(self, call_id: str, kind: SearchKind | None, query: str, out: EventBatch) -> None:
        """A tool run begins; `kind` is None for a tool that is no search."""
        self.has_runs = True
        if kind is None:
            return
        call_id = call_id or self._make_id()
        if call_id in self._calls or len(self._calls) >= MAX_RUNS:
            return
        call = SearchCall(call_id, kind, query[:MAX_QUERY_CHARS], SearchStatus.IN_PROGRESS)
        self._calls[call_id] = call
        out.append(call)

    def complete(
        self, call_id: str, kind: SearchKind, sources: Iterable[Source], out: EventBatch
    ) -> None:
        """A search ends with `sources`; it need not have been announced.

        Without an id it is the only unfinished search of its kind, else a search of its own.
        """
        self.has_runs = True
        call_id = call_id or self._only_unfinished(kind) or self._make_id()
        call = self._calls.get(call_id)
        if call is None:
            if len(self._calls) >= MAX_RUNS:
                return
            call = SearchCall(call_id, kind, "", SearchStatus.IN_PROGRESS)
        hits = {source.url: source for source in call.sources}
        for source in sources:
            if source.url in hits or len(hits) < MAX_SOURCES:
                hits.setdefault(source.url, source)
            self.add_source(source, out)
        call = SearchCall(
            call_id, call.kind, call.query, SearchStatus.COMPLETED, tuple(hits.values())
        )
        self._calls[call_id] = call
        out.append(call)

    def add_source(self, source: Source, out: EventBatch) -> None:
        """A hit that belongs to no particular search."""
        if len(self._titles) < MAX_TITLES:
            self._titles.setdefault(source.url, source.title)
        if source.url in self._seen or len(self._seen) >= MAX_SOURCES:
            return
        self._seen.add(source.url)
        out.append(source)

    def finish(self, out: EventBatch) -> None:
        """The answer is complete, and so is every search that said nothing more."""
        for call_id, call in self._calls.items():
            if call.status is SearchStatus.IN_PROGRESS:
                done = SearchCall(
                    call_id, call.kind, call.query, SearchStatus.COMPLETED, call.sources
                )
                self._calls[call_id] = done
                out.append(done)

    def _only_unfinished(self, kind: SearchKind) -> str:
        waiting = [
            call_id
            for call_id, call in self._calls.items()
            if call.kind is kind and call.status is SearchStatus.IN_PROGRESS
        ]
        return waiting[0] if len(waiting) == 1 else ""

    def _make_id(self) -> str:
        self._counter += 1
        return f"card:{self._counter}"


def parse_web_hits(value: object) -> list[Source]:
    """Read web search results: a list, or an object that holds it as `results`."""
    hits = []
    for item in _items(value):
        hit = as_mapping(item)
        url = normalise_url(hit.get("url"))
        if url:
            hits.append(Source(url, clean_title(hit.get("title"), url)))
    return hits


def parse_x_hits(value: object) -> list[Source]:
    """Read posts: a list, or an object that holds it as `results`."""
    hits = []
    for item in _items(value):
        post = as_mapping(item)
        post_id = first_text(post, "post_id", "postId")
        url = x_post_url(first_text(post, "userhandle", "username"), post_id)
        if not url:
            continue
        name, text = first_text(post, "name"), first_text(post, "text")
        title = f"{name}: {text}" if name else text
        hits.append(Source(url, clean_title(title, url), SourceKind.X_POST))
    return hits


def _items(value: object) -> list[object]:
    return as_list(value) or as_list(as_mapping(value).get("results"))
