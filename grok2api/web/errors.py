"""From an exception to the answer a client gets."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from grok2api.dialects.errors import render_anthropic_error, render_openai_error
from grok2api.errors import (
    BodyTooLargeError,
    GatewayError,
    InternalError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    StoreUnavailableError,
)
from grok2api.web.facts import ANTHROPIC, RequestFacts, facts_in, facts_of
from grok2api.web.state import state_of

HTTP_METHOD_NOT_ALLOWED = 405
HTTP_INTERNAL_ERROR = 500
LONGEST_METHOD = 16

INTERNAL_MESSAGE = "The server made a mistake."


def error_response(error: GatewayError, facts: RequestFacts) -> Response:
    """Render `error` in the dialect of the request and note it in `facts`."""
    facts.note_error(error)
    render = render_anthropic_error if facts.dialect == ANTHROPIC else render_openai_error
    rendered = render(error, facts.request_id)
    return Response(rendered.body, rendered.status, rendered.headers)


async def answer_error(error: GatewayError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or refuse a WebSocket, because of `error`.

    Where an answer has begun, it is left unfinished, which makes the server close the connection.
    """
    facts = facts_in(scope)
    response = error_response(error, facts)
    if facts.status:
        return
    if scope["type"] == "http":
        await response(scope, receive, send)
    else:
        await WebSocket(scope, receive, send).send_denial_response(response)


async def on_gateway_error(request: Request, error: Exception) -> Response:
    """Answer a request that failed for a known reason."""
    if not isinstance(error, GatewayError):
        raise error
    if isinstance(error, StoreUnavailableError):
        state_of(request).metrics.store_failed()
    return error_response(error, facts_of(request))


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: unknown paths and wrong methods."""
    if not isinstance(error, HTTPException):
        raise error
    headers = dict(error.headers or {})
    if error.status_code == HTTP_METHOD_NOT_ALLOWED and request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    response = error_response(_name(error, request.method), facts_of(request))
    response.headers.update(headers)
    return response


def _name(error: HTTPException, method: str) -> GatewayError:
    match error.status_code:
        case 404:
            return NotFoundError(
                "There is nothing at this path. The API's paths begin with /v1.",
                code="unknown_url",
            )
        case 405:
            return MethodNotAllowedError(
                f"This path does not answer {_shown(method)}.", code="method_not_allowed"
            )
        case 413:
            return BodyTooLargeError("The request body is too large.", code="request_too_large")
        case status if status < HTTP_INTERNAL_ERROR:
            return InvalidRequestError("The request could not be understood.")
        case _:
            return InternalError(INTERNAL_MESSAGE)


def _shown(method: str) -> str:
    return method if len(method) <= LONGEST_METHOD and method.isalpha() else "this method"
