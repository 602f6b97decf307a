"""The catalogue: strict reading, exact prices, and bounds that hold."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aem.artifact import ChatMessage, ChatRequest, Role
from market import BadCatalogueError, Catalogue, Model, ModelNotFoundError, UncappedReplyError

ENTRY = """
[[models]]
name = "small"
provider = "example"
base_url = "https://api.example.com/v1"
input_usd_per_million = "0.15"
output_usd_per_million = "0.60"
context_tokens = 8000
reply_tokens_max = 1000
"""


def catalogue(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Catalogue:
    path = tmp_path / "models.toml"
    path.write_text(text)
    return Catalogue.read(path, environment or {})


def model(**changes: object) -> Model:
    values: dict[str, object] = {
        "name": "small",
        "provider": "example",
        "base_url": "http://127.0.0.1/v1",
        "upstream_name": "small",
        "input_price_pusd": 1,
        "output_price_pusd": 2,
        "context_tokens": 10_000,
        "reply_tokens_max": 100,
    }
    return Model(**(values | changes))  # type: ignore[arg-type]


def request(*contents: str, max_tokens: int = 50, schema: object = None) -> ChatRequest:
    return ChatRequest(
        model="small",
        messages=tuple(ChatMessage(role=Role.USER, content=content) for content in contents),
        max_tokens=max_tokens,
        reply_schema=schema,  # type: ignore[arg-type]
    )


def test_an_entry_is_read_with_exact_prices(tmp_path: Path) -> None:
    found = catalogue(tmp_path, ENTRY).model("small")
    assert found.input_price_pusd == 150_000
    assert found.output_price_pusd == 600_000
    assert found.upstream_name == "small"
    assert found.cap_parameter == "max_tokens"


def test_its_tokens_become_resources(tmp_path: Path) -> None:
    taken, given_ = catalogue(tmp_path, ENTRY).resources()
    assert (taken.name, taken.base_price_pusd, taken.capacity) == (
        "small-input-token",
        150_000,
        8 * 8000,
    )
    assert (given_.name, given_.base_price_pusd, given_.capacity) == (
        "small-output-token",
        600_000,
        8 * 1000,
    )


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('name = "Small"', "name"),
        ('provider = ""', "provider"),
        ('base_url = "ftp://example.com"', "base_url"),
        ('base_url = "https://me:secret@example.com/v1"', "base_url"),
        ("input_usd_per_million = 0.15", "input_usd_per_million"),
        ('input_usd_per_million = "0"', "input_usd_per_million"),
        ('input_usd_per_million = "-1"', "input_usd_per_million"),
        ('input_usd_per_million = "NaN"', "input_usd_per_million"),
        ('input_usd_per_million = "0.0000001"', "input_usd_per_million"),
        ('input_usd_per_million = "1e30"', "input_usd_per_million"),
        ("context_tokens = 0", "context_tokens"),
        ("context_tokens = true", "context_tokens"),
        ("reply_tokens_max = 9000", "reply_tokens_max"),
        ('cap_parameter = "tokens"', "cap_parameter"),
        ('has_reply_schemas = "yes"', "has_reply_schemas"),
        ("concurrency = 0", "concurrency"),
        ('temperature = "1"', "temperature"),
        ('api_key_env = "NOT_SET"', "api_key_env"),
        ('api_key_file = "absent"', "api_key_file"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_key(tmp_path: Path, line: str, key: str) -> None:
    others = [kept for kept in ENTRY.splitlines() if not kept.startswith(f"{key} =")]
    with pytest.raises(BadCatalogueError) as caught:
        catalogue(tmp_path, "\n".join([*others, line]))
    assert caught.value.details["key"] == key


@pytest.mark.parametrize(
    "text", ["models = 1", "other = 1", "[[models]", ENTRY + ENTRY, "models = [1]", "models = []"]
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadCatalogueError):
        catalogue(tmp_path, text)


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "example.key").write_text(" \n")
    with pytest.raises(BadCatalogueError, match=r"'small'.*file that holds a key"):
        catalogue(tmp_path, ENTRY + 'api_key_file = "example.key"\n')


def test_two_keys_are_refused(tmp_path: Path) -> None:
    (tmp_path / "example.key").write_text("sk-secret")
    text = ENTRY + 'api_key_env = "EXAMPLE_KEY"\napi_key_file = "example.key"\n'
    with pytest.raises(BadCatalogueError, match=r"'small'.*keep the one") as caught:
        catalogue(tmp_path, text, {"EXAMPLE_KEY": "sk-secret"})
    assert "sk-secret" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCatalogueError):
        Catalogue.read(tmp_path / "absent.toml")


def test_a_key_comes_from_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    text = ENTRY + 'api_key_env = "EXAMPLE_KEY"\n'
    found = catalogue(tmp_path, text, {"EXAMPLE_KEY": "sk-secret"}).model("small")
    assert found.api_key == "sk-secret"
    assert "sk-secret" not in repr(found)


def test_a_key_comes_from_a_file_beside_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "example.key").write_text("sk-secret\n")
    found = catalogue(tmp_path, ENTRY + 'api_key_file = "example.key"\n').model("small")
    assert found.api_key == "sk-secret"


def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="it has small"):
        catalogue(tmp_path, ENTRY).model("large")


@given(contents=st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_bytes_and_overhead_bound_the_tokens_of_a_request(contents: list[str]) -> None:
    # The densest tokenizer there can be gives every byte a token of its own.
    densest = sum(len(content.encode()) for content in contents)
    bound = model().input_bound_tokens(request(*contents))
    assert bound == densest + 16 * (len(contents) + 1)


def test_no_request_is_longer_than_the_context() -> None:
    assert model(context_tokens=500).input_bound_tokens(request("x" * 10_000)) == 500


def test_a_reply_schema_counts_where_it_is_sent() -> None:
    schema = {"type": "object", "title": "x" * 100}
    size = len(json.dumps(schema))
    plain = model().input_bound_tokens(request("x"))
    assert model().input_bound_tokens(request("x", schema=schema)) == plain + size
    mute = model(has_reply_schemas=False)
    assert mute.input_bound_tokens(request("x", schema=schema)) == plain


def test_a_reply_is_capped_by_request_and_model() -> None:
    assert model().reply_cap_tokens(request("x", max_tokens=50)) == 50
    assert model().reply_cap_tokens(request("x", max_tokens=500)) == 100


@pytest.mark.parametrize("max_tokens", [0, -1])
def test_a_reply_without_a_cap_is_refused(max_tokens: int) -> None:
    with pytest.raises(UncappedReplyError):
        model().reply_cap_tokens(request("x", max_tokens=max_tokens))
