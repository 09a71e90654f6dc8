"""The OpenAPI document says what the interface does, and how it refuses."""

import re

import pytest

from api.app import create_app
from tests.api.fakes import Memory

DOCUMENT = create_app(Memory().ports()).openapi()
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
each = pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[f"{m} {p}" for p, m, _ in OPERATIONS]
)


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_it_is_of_version_3_1_and_whole():
    assert re.fullmatch(r"3\.1\.\d", DOCUMENT["openapi"])
    assert DOCUMENT["info"]["title"]
    assert DOCUMENT["info"]["version"]
    assert set(DOCUMENT) <= {
        "openapi",
        "info",
        "paths",
        "components",
        "tags",
        "servers",
        "security",
    }
    for reference in references(DOCUMENT):
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert isinstance(node, dict)


def test_operations_have_names_of_their_own():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names) > 20
    assert all(name.isidentifier() for name in names)


@each
def test_an_operation_has_a_summary_and_says_how_it_refuses(path, method, operation):
    assert operation["summary"]
    responses = operation["responses"]
    assert any(status.startswith("2") for status in responses)
    refusals = {key: value for key, value in responses.items() if not key.startswith("2")}
    assert "default" in refusals
    assert "HTTPValidationError" not in str(operation)
    for refusal in refusals.values():
        assert refusal["description"]
        schema = refusal["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    if method == "post":
        assert {"401", "403", "409", "413"} <= set(refusals)
        assert operation["security"]


@each
def test_an_operation_declares_the_parameters_of_its_path(path, method, operation):
    declared = {
        (one["name"], one["required"])
        for one in operation.get("parameters", [])
        if one["in"] == "path"
    }
    assert declared == {(name, True) for name in re.findall(r"{(\w+)}", path)}


async def test_it_is_served_and_needs_nothing_from_elsewhere(client):
    answer = await client.get("/api/v1/openapi.json")
    assert answer.json() == DOCUMENT
    assert (await client.get("/docs")).status_code == 404
