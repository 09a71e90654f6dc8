"""The OpenAPI document, as it is: every operation says how it refuses."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.errors import MEDIA_TYPE
from api.schemas import Problem

DESCRIPTION = (
    "Lifeline watches a city's bridges, tunnels, gas, drainage and lifts, and raises alarms in four "
    "grades. Times are RFC 3339 in UTC, grades are words, lists come in parts, every refusal is a "
    "problem (RFC 9457) that says what to do about it."
)
_METHODS = ("get", "put", "post", "delete", "patch")
_MEANINGS = {
    401: "A key is needed, or this one is not known.",
    403: "The key's role may not do this.",
    404: "There is no such thing.",
    409: "Not possible as things stand.",
    413: "The body is too large.",
    415: "Nobody decodes this format.",
    429: "This gateway sends more than it may.",
    422: "The request is not valid.",
    503: "Not now; try again.",
}


def _refusals(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    statuses = {503}
    if path.startswith("/api/") or path == "/metrics":
        statuses |= {401}
    if operation.get("parameters") or operation.get("requestBody"):
        statuses |= {422}
    if "{" in path:
        statuses |= {404}
    if method == "post":
        statuses |= {403, 409, 413}
    if path.endswith("/frames"):
        statuses |= {415, 429}
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {MEDIA_TYPE: {"schema": schema}}
    named = {str(s): {"description": _MEANINGS[s], "content": content} for s in sorted(statuses)}
    return {**named, "default": {"description": "Any other refusal.", "content": content}}


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the document; FastAPI's own shape of validation errors is replaced by problems."""
    document = get_openapi(
        title="Lifeline",
        version=app.version,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                operation["responses"].pop("422", None)
                operation["responses"].update(_refusals(path, method, operation))
    return document
