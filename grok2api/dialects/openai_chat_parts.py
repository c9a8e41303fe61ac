"""Parts of Chat Completions answers that streamed and whole ones share."""

from collections.abc import Callable

from msgspec import UNSET, UnsetType

from grok2api.dialects.findings import Findings
from grok2api.domain.answer import Usage
from grok2api.domain.chat import Citation, FinishReason
from grok2api.wire.openai.chat import (
    Annotation,
    CompletionTokensDetails,
    PromptTokensDetails,
    SearchSource,
    URLCitation,
    UsageBody,
)


def render_reason(reason: FinishReason, *, is_legacy: bool) -> str:
    """Return why an answer ended, in the words of the client."""
    return "function_call" if is_legacy and reason is FinishReason.TOOL_CALLS else reason.value


def render_annotations(marks: list[Citation], first: int) -> list[Annotation]:
    """Return citation marks for a delta; `first` is the number of the first."""
    return [render_annotation(mark, index) for index, mark in enumerate(marks, first)]


def render_annotation(mark: Citation, index: int | UnsetType = UNSET) -> Annotation:
    """Return one citation mark."""
    return Annotation(
        index=index,
        url_citation=URLCitation(mark.url, mark.title or mark.url, mark.start, mark.end),
    )


def render_extras(
    findings: Findings,
) -> tuple[list[str] | UnsetType, list[SearchSource] | UnsetType, dict[str, int] | UnsetType]:
    """Return the URLs, sources and tool counts that stand beside the choices."""
    sources = [SearchSource(s.url, s.title, s.kind.value) for s in findings.sources]
    return findings.urls() or UNSET, sources or UNSET, findings.tool_usage() or UNSET


def measure(
    text: str, reasoning: str, prompt_tokens: int, count_tokens: Callable[[str], int]
) -> Usage:
    """Count what a turn cost."""
    thought = count_tokens(reasoning)
    return Usage(prompt=prompt_tokens, completion=count_tokens(text) + thought, reasoning=thought)


def render_usage(usage: Usage) -> UsageBody:
    """Return `usage` as on the wire."""
    return UsageBody(
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        total_tokens=usage.prompt + usage.completion,
        prompt_tokens_details=PromptTokensDetails(text_tokens=usage.prompt),
        completion_tokens_details=CompletionTokensDetails(
            text_tokens=usage.completion - usage.reasoning, reasoning_tokens=usage.reasoning
        ),
    )
