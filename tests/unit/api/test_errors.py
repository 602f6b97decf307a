import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.testclient import TestClient

import api
import core
import devops_agent
import gold
import ledger
import market
import registry
import sandbox
from aem.artifact import ArtifactError
from api.errors import PROBLEM_MEDIA_TYPE, STATUS_BY_KIND, install, status_of
from core.errors import AemError, ConflictError, InfrastructureError

ROOMS = (core, ledger, registry, gold, sandbox, market, devops_agent, api)
OWN_WORDS = {"type", "title", "status", "detail", "reason"}
SECRET = "postgresql://aem:hunter2@db/aem"


def modules() -> None:
    for room in ROOMS:
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            if ".migrations." not in found.name:
                importlib.import_module(found.name)


def subclasses(base: type) -> Iterator[type]:
    for child in base.__subclasses__():
        yield child
        yield from subclasses(child)


def errors_of(base: type) -> list[Any]:
    modules()
    return sorted(
        {e for e in subclasses(base) if not e.__module__.startswith("tests")},
        key=lambda e: (e.__module__, e.__name__),
    )


AEM_ERRORS = errors_of(AemError)
ARTIFACT_ERRORS = errors_of(ArtifactError)


class BusyError(ConflictError):
    reason = "busy"


class BrokenError(InfrastructureError):
    reason = "broken"


class Body(BaseModel):
    amount: int


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    install(app, {})

    @app.get("/busy")
    def busy() -> None:
        details = dict.fromkeys(("status", "reason", "detail", "type", "title"), "other")
        raise BusyError("it is in use", holder="wallet:acme", **details)

    @app.get("/broken")
    def broken() -> None:
        raise BrokenError("the engine is away")

    @app.get("/artifact")
    def artifact() -> None:
        raise ArtifactError("no artifact.toml")

    @app.get("/defect")
    def defect() -> None:
        raise RuntimeError(SECRET)

    @app.post("/items")
    def items(body: Body) -> None: ...

    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def test_rooms_have_errors_at_all() -> None:
    rooms = {error.__module__.partition(".")[0] for error in AEM_ERRORS}
    assert rooms >= {"api", "core", "devops_agent", "gold", "ledger", "market", "registry"}
    assert len(AEM_ERRORS) > 60
    assert ARTIFACT_ERRORS


@pytest.mark.parametrize("error", AEM_ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_the_status_of_exactly_one_kind(error: type[AemError]) -> None:
    kinds = [kind for kind in STATUS_BY_KIND if issubclass(error, kind)]
    assert len(kinds) == 1, f"{error.__qualname__} is of no kind that HTTP knows, or of several"
    assert status_of(error) is STATUS_BY_KIND[kinds[0]]


@pytest.mark.parametrize("error", AEM_ERRORS + ARTIFACT_ERRORS, ids=lambda e: e.__name__)
def test_every_error_names_itself(error: type[AemError]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", error.reason), error.reason
    assert "reason" in vars(error), f"{error.__qualname__} goes by the name of its base"


def test_errors_that_share_a_reason_are_answered_alike() -> None:
    by_reason: dict[str, list[type[AemError]]] = defaultdict(list)
    for error in AEM_ERRORS:
        by_reason[error.reason].append(error)
    shared = {reason: found for reason, found in by_reason.items() if len(found) > 1}
    for reason, found in shared.items():
        assert len({status_of(error) for error in found}) == 1, reason
    assert set(shared) <= {"idempotency_key_reused", "quote_expired"}, shared.keys()


def test_an_error_becomes_a_problem_whatever_its_details_are_named(client: TestClient) -> None:
    answer = client.get("/busy")
    assert answer.status_code == HTTPStatus.CONFLICT
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert answer.json() == {
        "type": "urn:aem:problem:busy",
        "title": "Conflict",
        "status": 409,
        "detail": "it is in use",
        "reason": "busy",
        "holder": "wallet:acme",
    }


def test_a_failure_of_infrastructure_may_be_sent_again(client: TestClient) -> None:
    answer = client.get("/broken")
    assert (answer.status_code, answer.json()["reason"]) == (503, "broken")


def test_an_error_of_the_artifact_format_is_a_bad_request(client: TestClient) -> None:
    answer = client.get("/artifact")
    assert (answer.status_code, answer.json()["detail"]) == (400, "no artifact.toml")
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE


def test_a_defect_tells_nothing_of_the_inside(client: TestClient) -> None:
    answer = client.get("/defect")
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal")
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/busy", 405, "method_not_allowed"),
        ("POST", "/items", 400, "invalid_request"),
    ],
)
def test_what_the_framework_refuses_is_a_problem_too(
    client: TestClient, method: str, path: str, status: int, reason: str
) -> None:
    answer = client.request(method, path, json={"amount": "many"})
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert set(answer.json()) >= OWN_WORDS


def test_a_refused_field_is_named(client: TestClient) -> None:
    problem = client.post("/items", json={"amount": "many"}).json()
    assert problem["errors"][0]["place"] == "body.amount"
    assert problem["detail"].startswith("body.amount: ")


def test_a_refused_method_says_which_are_allowed(client: TestClient) -> None:
    assert client.delete("/busy").headers["allow"] == "GET"
