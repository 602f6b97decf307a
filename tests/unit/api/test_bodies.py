from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import FastAPI, File, Form, Request, UploadFile
from pydantic import BaseModel
from starlette.testclient import TestClient

from api.bodies import MAX_BODY_BYTES, BodyLimit
from api.errors import PROBLEM_MEDIA_TYPE, install

LIMIT_BYTES = 10_000


class Body(BaseModel):
    text: str


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    app.add_middleware(BodyLimit, max_bytes=LIMIT_BYTES)
    install(app, {})

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.post("/json")
    def json(body: Body) -> int:
        return len(body.text)

    @app.post("/form")
    def form(order: Annotated[str, Form()], artifact: Annotated[UploadFile, File()]) -> int:
        return len(order) + len(artifact.file.read())

    with TestClient(app) as opened:
        yield opened


def chunks(size_bytes: int) -> Iterator[bytes]:
    for _ in range(size_bytes // 1000):
        yield b"x" * 1000


def test_the_limit_leaves_room_for_two_archives_and_traces() -> None:
    assert MAX_BODY_BYTES == 64 * 2**20


def test_a_body_at_the_limit_passes(client: TestClient) -> None:
    assert client.post("/raw", content=b"x" * LIMIT_BYTES).json() == LIMIT_BYTES


@pytest.mark.parametrize("length", ["declared", "unknown"])
@pytest.mark.parametrize("path", ["/raw", "/json", "/form"])
def test_a_larger_body_is_refused_wherever_it_is_read(
    client: TestClient, path: str, length: str
) -> None:
    size = 3 * LIMIT_BYTES
    kinds = {
        "/raw": {"content": b"x" * size},
        "/json": {"json": {"text": "x" * size}},
        "/form": {"data": {"order": "{}"}, "files": {"artifact": b"x" * size}},
    }
    request = client.build_request("POST", path, **kinds[path])  # type: ignore[arg-type]
    if length == "unknown":
        content = request.read()
        headers = {"content-type": request.headers.get("content-type", "text/plain")}
        request = client.build_request(
            "POST",
            path,
            content=iter([content[: size // 2], content[size // 2 :]]),
            headers=headers,
        )
    answer = client.send(request)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert answer.json()["reason"] == "body_too_large"


def test_a_body_that_lies_about_its_length_is_counted(client: TestClient) -> None:
    answer = client.post(
        "/raw", content=chunks(3 * LIMIT_BYTES), headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 413
