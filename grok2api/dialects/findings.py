"""What an answer found besides its text: sources, citations, searches, images."""

from collections.abc import Iterable

from grok2api.domain.answer import Answer
from grok2api.domain.chat import ChatEvent, Citation, ImageReady, SearchCall, SearchKind, Source

SOURCES_MARKER = "[grok2api-sources]: #"
"""Markdown shows nothing for this line; by it we know our own section when it comes back."""

_SOURCES_HEADING = "## Sources"
_TOOL_USAGE_NAMES = {
    SearchKind.WEB: "SERVER_SIDE_TOOL_WEB_SEARCH",
    SearchKind.X: "SERVER_SIDE_TOOL_X_SEARCH",
}


class Findings:
    """Collects what comes beside text and reasoning, each thing once, in order."""

    __slots__ = ("_sources", "citations", "images", "searches")

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self.citations: list[Citation] = []
        self.images: list[ImageReady] = []
        self.searches: dict[str, SearchCall] = {}

    @classmethod
    def of(cls, answer: Answer) -> "Findings":
        """Return the findings of a whole answer."""
        findings = cls()
        findings.add(answer.searches.values())
        findings.add(answer.sources)
        findings.add(answer.citations)
        findings.add(answer.images)
        return findings

    def add(self, events: Iterable[ChatEvent]) -> None:
        """Take events; those of other kinds are passed over."""
        for event in events:
            match event:
                case Citation():
                    self.citations.append(event)
                case Source():
                    self._sources.setdefault(event.url, event)
                case SearchCall():
                    self.searches[event.id] = event
                case ImageReady():
                    self.images.append(event)
                case _:
                    pass

    @property
    def sources(self) -> list[Source]:
        """The search hits, one for each URL: those found alone, then those of searches."""
        found = dict(self._sources)
        for search in self.searches.values():
            for source in search.sources:
                found.setdefault(source.url, source)
        return list(found.values())

    def urls(self) -> list[str]:
        """Return the URLs of all sources, then of all citations, each once."""
        urls = [source.url for source in self.sources] + [mark.url for mark in self.citations]
        return list(dict.fromkeys(urls))

    def tool_usage(self) -> dict[str, int]:
        """Return how many searches of each kind the upstream ran."""
        counts: dict[str, int] = {}
        for search in self.searches.values():
            name = _TOOL_USAGE_NAMES[search.kind]
            counts[name] = counts.get(name, 0) + 1
        return counts

    def markdown(self, *, has_text: bool, show_sources: bool) -> str:
        """Return what follows the text: each image a paragraph, then the sources if wanted."""
        paragraphs = [_show(image) for image in self.images]
        if show_sources and (sources := self.sources):
            paragraphs.append(f"{_SOURCES_HEADING}\n{SOURCES_MARKER}")
            paragraphs.append("\n".join(f"- [{_label(s)}]({_link(s.url)})" for s in sources))
        if not paragraphs:
            return ""
        return ("\n\n" if has_text else "") + "\n\n".join(paragraphs)


def strip_sources_section(text: str) -> str:
    """Return an earlier answer without the sources section that we had added."""
    marked_at = text.find(SOURCES_MARKER)
    if marked_at < 0:
        return text
    heading_at = text.rfind(_SOURCES_HEADING, 0, marked_at)
    return text[: marked_at if heading_at < 0 else heading_at].rstrip()


def _show(image: ImageReady) -> str:
    return image.url if image.is_bare else f"![image]({_link(image.url)})"


def _link(url: str) -> str:
    return url.replace(" ", "%20").replace("(", "%28").replace(")", "%29")


def _label(source: Source) -> str:
    label = (source.title or source.url).replace("\n", " ")
    for special in "\\[]":
        label = label.replace(special, "\\" + special)
    return label
