from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from api.app import create_app
from api.composition import Service
from ledger import Enforcement

OPEN_PATHS = {"/healthz", "/.well-known/aem-trust.json"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    parts = SimpleNamespace(enforcement=Enforcement.ENFORCE)
    service = SimpleNamespace(parts=parts, start=lambda: None, stop=lambda: None)
    with TestClient(create_app(cast(Service, service))) as client:
        answer = client.get("/openapi.json")
    assert answer.status_code == 200
    value: dict[str, Any] = answer.json()
    return value


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_it_is_openapi_3_1_with_what_it_must_have(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "AEM"
    assert document["info"]["version"]
    assert len(document["paths"]) > 25


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = [node["$ref"] for node in nodes(document) if "$ref" in node]
    assert references
    for reference in references:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_operation_is_named_once_and_explained(document: dict[str, Any]) -> None:
    found = list(operations(document))
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    assert all(operation.get("description") for _, _, operation in found)


def test_every_parameter_of_a_path_is_declared(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        declared = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_every_schema_is_json_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_refusals_are_documented_as_what_they_are(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        assert "422" not in operation["responses"], path
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_every_operation_but_the_open_ones_asks_for_a_key(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    for path, _, operation in operations(document):
        assert bool(operation.get("security")) == (path not in OPEN_PATHS), path
        for asked in operation.get("security", ()):
            assert schemes[next(iter(asked))]["scheme"] == "bearer"


def test_every_mutation_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        headers = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}
        assert ("idempotency-key" in headers) == (method != "get"), path
