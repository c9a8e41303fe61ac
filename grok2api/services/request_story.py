"""Tells in words what happened to a request."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from grok2api.domain.usage import AttemptFact, FinishedRequest
from grok2api.domain.video_job import VideoJob

CLIENT_LEFT: Final = 499
_SECOND_MS: Final = 1000


def tell_request(finished: FinishedRequest, video: VideoJob | None = None) -> list[str]:
    """Return the story of a request, a sentence or two a line; `video` is its job, if kept."""
    return [
        _tell_end(finished),
        _tell_caller(finished),
        *_tell_wish(finished),
        *_tell_waiting(finished),
        *(_tell_job(finished, video) if finished.job else _tell_attempts(finished)),
        *_tell_output(finished),
    ]


def _tell_end(finished: FinishedRequest) -> str:
    what = " ".join(word for word in (finished.method, finished.route) if word)
    took = _span(finished.duration_ms)
    if finished.status == CLIENT_LEFT:
        return f"{what}: the client left after {took} (499)."
    how = "was answered" if finished.is_success else f"failed with {_cause_of(finished)}"
    return f"{what}: {how} after {took} (status {finished.status})."


def _tell_caller(finished: FinishedRequest) -> str:
    moment = datetime.fromtimestamp(finished.at_s, UTC).isoformat(" ", "seconds")
    whence = f" from {finished.client}" if finished.client else ""
    agent = f" ({finished.agent})" if finished.agent else ""
    key = f"with key {finished.key_id}" if finished.key_id else "without a known key"
    return f"It came at {moment}{whence}{agent}, {key}."


def _tell_wish(finished: FinishedRequest) -> Iterator[str]:
    asked = finished.requested or finished.model
    if not asked:
        return
    known = f", which is {finished.model}" if finished.model not in ("", asked) else ""
    if not finished.model:
        known = ", which was not resolved to a model"
    form = "a stream" if finished.is_stream else "one answer"
    yield f"It asked for {asked}{known}, as {form}."


def _tell_waiting(finished: FinishedRequest) -> Iterator[str]:
    if finished.affinity:
        yield f"Its conversation was recognised by {finished.affinity}."
    if finished.waited_ms:
        yield f"It stood in line for an account for {_span(finished.waited_ms)}."


def _tell_job(finished: FinishedRequest, video: VideoJob | None) -> Iterator[str]:
    yield f"It began {finished.job}, or asked for it once more; videos are made beside requests."
    if video is None:
        yield "The video is not known any more."
        return
    code = f" ({video.error_code})" if video.error_code else ""
    account = f", with {video.account_id}" if video.account_id else ""
    took_ms = round((video.completed_at_s - video.started_at_s) * _SECOND_MS)
    took = f" after {_span(took_ms)}" if video.has_ended and video.started_at_s else ""
    yield f"The video is {video.state}{code}, {video.percent} % made{account}{took}."


def _tell_attempts(finished: FinishedRequest) -> Iterator[str]:
    attempts = finished.attempts
    if not attempts:
        yield "No account was asked."
        return
    for number, attempt in enumerate(attempts, 1):
        yield _tell_attempt(number, attempt)
        failed = [one.account for one in attempts[:number] if one.error]
        if number < len(attempts) and failed:
            repeated = attempts[number].account in failed
            yield (
                "  It was asked once more."
                if repeated
                else f"  Left out from then on: {', '.join(dict.fromkeys(failed))}."
            )


def _tell_attempt(number: int, attempt: AttemptFact) -> str:
    facts = [word for word in (attempt.error, attempt.code) if word]
    if attempt.status:
        facts.append(f"upstream status {attempt.status}")
    why = f" ({', '.join(facts)})" if facts else ""
    way = f" through the {attempt.exit}" if attempt.exit else ""
    return (
        f"Attempt {number}, {_span(attempt.started_ms)} after the beginning, with "
        f"{attempt.account}{way}: {attempt.outcome}{why} after {_span(attempt.duration_ms)}."
    )


def _tell_output(finished: FinishedRequest) -> Iterator[str]:
    if finished.first_output_ms is None:
        yield "Nothing was shown to the client before the end."
    else:
        yield f"The first visible output came after {_span(finished.first_output_ms)}."
    mode = f" in mode {finished.mode}" if finished.mode else ""
    units = "1 query" if finished.units == 1 else f"{finished.units} queries"
    yield (
        f"It took {finished.input_tokens} tokens in, {finished.output_tokens} tokens out, "
        f"and {units} of quota{mode}."
    )


def _cause_of(finished: FinishedRequest) -> str:
    code = f" ({finished.code})" if finished.code not in ("", finished.error) else ""
    return f"{finished.error or 'no stated error'}{code}"


def _span(ms: int) -> str:
    return f"{ms} ms" if ms < _SECOND_MS else f"{ms / _SECOND_MS:.1f} s"
