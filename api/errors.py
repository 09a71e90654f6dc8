"""Every refusal as problem+json (RFC 9457): what is wrong, where, and what to do about it."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.ports import Refused

MEDIA_TYPE = "application/problem+json"
_TEXT_MAX = 300


class ApiError(Exception):
    """A request that gets a problem for an answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        remedy: str = "",
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.remedy = remedy
        self.errors = errors
        self.headers = headers


def bad_request(place: str, problem: str, remedy: str) -> ApiError:
    """Return the error for one wrong thing at one place, such as ``query.limit``."""
    entry = {"place": place, "problem": problem, "remedy": remedy}
    return ApiError(422, "The request is not valid.", remedy, errors=[entry])


def not_found(what: str, name: str) -> ApiError:
    """Return the error for a noun that is not there."""
    return ApiError(404, f"There is no {what} {shorten(name)!r}.", f"GET the list of {what}s.")


def shorten(text: str) -> str:
    """Return at most 128 characters of what a stranger sent."""
    return text if len(text) <= 128 else f"{text[:127]}…"


def problem_body(
    status: int, detail: str, remedy: str = "", errors: Sequence[Mapping[str, str]] = ()
) -> bytes:
    """Return a problem document in ASCII."""
    phrase = HTTPStatus(status).phrase
    body: dict[str, Any] = {
        "type": f"urn:lifeline:problem:{phrase.lower().replace(' ', '-')}",
        "title": phrase,
        "status": status,
        "detail": detail,
    }
    if remedy:
        body["remedy"] = remedy
    if errors:
        body["errors"] = [dict(entry) for entry in errors]
    return json.dumps(body).encode()


def problem(
    status: int,
    detail: str,
    remedy: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem as a response."""
    body = problem_body(status, detail, remedy, errors)
    return Response(body, status, dict(headers or {}), media_type=MEDIA_TYPE)


def remedy_of(kind: str, context: Mapping[str, Any]) -> str:
    """Return what to do about a validation error of pydantic's ``kind``."""
    bound = next((context[key] for key in ("le", "lt", "ge", "gt") if key in context), None)
    remedies = {
        "missing": "give it",
        "extra_forbidden": "leave it out, or check its spelling against /api/v1/openapi.json",
        "json_invalid": "send a JSON document, with Content-Type: application/json",
        "less_than_equal": f"give at most {bound}",
        "greater_than_equal": f"give at least {bound}",
        "greater_than": f"give more than {bound}",
        "enum": f"give one of {context.get('expected')}",
        "literal_error": f"give one of {context.get('expected')}",
        "bool_parsing": "give true or false",
        "int_parsing": "give a whole number",
        "float_parsing": "give a number",
        "string_too_long": f"give at most {context.get('max_length')} characters",
        "string_too_short": f"give at least {context.get('min_length')} characters",
        "string_pattern_mismatch": f"give a text that matches {context.get('pattern')}",
        "too_long": f"give at most {context.get('max_length')} of them",
    }
    return remedies.get(kind, "see /api/v1/openapi.json")


def describe(error: Mapping[str, Any]) -> dict[str, str]:
    """Return one of pydantic's errors as place, problem and remedy; nothing sent is echoed."""
    message = str(error.get("msg", "")).removeprefix("Value error, ")
    text, _, remedy = message.partition(" — ")
    return {
        "place": shorten(".".join(str(part) for part in error.get("loc", ()))),
        "problem": text[:_TEXT_MAX],
        "remedy": remedy[:_TEXT_MAX] or remedy_of(str(error.get("type")), error.get("ctx") or {}),
    }


async def _on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  registered for it alone
    return problem(error.status, error.detail, error.remedy, error.errors, error.headers)


async def _on_refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  registered for it alone
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else None
    return problem(error.status, error.problem, error.remedy, headers=headers)


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for it alone
    errors = [describe(entry) for entry in list(error.errors())[:20]]
    return problem(422, "The request is not valid.", "Correct the places named.", errors)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it alone
    details = {
        404: ("There is nothing at this address.", "/api/v1/openapi.json lists what there is."),
        405: (f"{shorten(request.method)} is not possible here.", "Use a method named in Allow."),
        400: ("The body cannot be read.", "Send JSON in UTF-8."),
    }
    detail, remedy = details.get(error.status_code, (str(error.detail)[:_TEXT_MAX], ""))
    return problem(error.status_code, detail, remedy, headers=error.headers)


async def _on_fault(_request: Request, _error: Exception) -> Response:
    # The server's log has the traceback; the caller learns nothing of the inside.
    return problem(500, "The service failed to answer.", "Try again; the log has the cause.")


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)
