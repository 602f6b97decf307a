import json

import pytest

from aem.artifact import (
    ArtifactError,
    ArtifactKind,
    Bundle,
    Entry,
    Limits,
    Manifest,
    read_manifest,
    read_self_test,
)
from tests.fakes.bundles import MANIFEST, echo_bundle, echo_files


def with_line(old: str, new: str) -> dict[str, bytes]:
    assert old in MANIFEST
    return {**echo_files(), "artifact.toml": MANIFEST.replace(old, new).encode()}


def refusal(files: dict[str, bytes]) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        read_manifest(files)
    return caught.value


def test_a_manifest_is_read() -> None:
    assert echo_bundle().manifest == Manifest(
        name="acme/echo",
        kind=ArtifactKind.PYTHON,
        entry=Entry(module="echo", function="run"),
        input_schema="schema/input.json",
        output_schema="schema/output.json",
        limits=Limits(wall_s=5.0, memory_bytes=268435456, output_bytes=65536),
        self_test="self_test.jsonl",
        requires=(),
    )
    assert echo_bundle().manifest.namespace == "acme"


def test_limits_self_test_and_requirements_may_be_left_out() -> None:
    head = MANIFEST[: MANIFEST.index("requires")]
    manifest = read_manifest({**echo_files(), "artifact.toml": head.encode()})
    assert (manifest.limits, manifest.self_test, manifest.requires) == (Limits(), None, ())


def test_a_policy_is_read_and_has_no_entry() -> None:
    files = with_line('kind = "python"\nentry = "echo:run"', 'kind = "policy"')
    assert read_manifest(files).entry is None


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ('"acme/echo"', '"Acme/echo"', "name", "namespace/name"),
        ('"acme/echo"', '"echo"', "name", "namespace/name"),
        ('"acme/echo"', "7", "name", "namespace/name"),
        ('"python"', '"perl"', "kind", '"python" or "prompt" or "policy"'),
        ('"python"', "[]", "kind", '"python" or "prompt" or "policy"'),
        ('"echo:run"', '"echo"', "entry", "module:function"),
        ('"echo:run"', '"../echo:run"', "entry", "module:function"),
        ('"echo:run"', '"a.b:run"', "entry", "module:function"),
        ('"echo:run"', '"import:run"', "entry", "module:function"),
        ('"echo:run"', '"echo:run:x"', "entry", "module:function"),
        ("requires = []", 'requires = "httpx"', "requires", "a list"),
        ("requires = []", "requires = [1]", "requires", "a list"),
        ("wall_s = 5.0", 'wall_s = "5"', "limits.wall_s", "a number of seconds"),
        ("wall_s = 5.0", "wall_s = true", "limits.wall_s", "a number of seconds"),
        ("wall_s = 5.0", "wall_s = 0", "limits.wall_s", "a number of seconds"),
        ("wall_s = 5.0", "wall_s = nan", "limits.wall_s", "a number of seconds"),
        ("wall_s = 5.0", "wall_s = 1e9", "limits.wall_s", "a number of seconds"),
        ("= 268435456", "= 268435456.0", "limits.memory_bytes", "an integer from"),
        ("= 268435456", "= 1", "limits.memory_bytes", "an integer from"),
        ("= 65536", "= -1", "limits.output_bytes", "an integer from"),
        ("= 65536", "= true", "limits.output_bytes", "an integer from"),
        ('cases = "self_test.jsonl"', "cases = 1", "self_test.cases", "a text"),
        ('cases = "self_test.jsonl"', "", "self_test.cases", "a text"),
    ],
)
def test_a_wrong_key_is_named_with_what_it_must_be(
    old: str, new: str, key: str, expected: str
) -> None:
    error = refusal(with_line(old, new))
    assert (error.reason, error.details["key"]) == ("bad_manifest", key)
    assert f"`{key}` must be" in error.message
    assert expected in error.details["expected"]


@pytest.mark.parametrize("key", ["name", "kind", "entry", "input_schema", "output_schema"])
def test_a_missing_key_is_named(key: str) -> None:
    lines = [line for line in MANIFEST.splitlines() if not line.startswith(f"{key} ")]
    error = refusal({**echo_files(), "artifact.toml": "\n".join(lines).encode()})
    assert (error.reason, error.details["key"]) == ("bad_manifest", key)
    assert f"`{key}` is missing" in error.message


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("entry =", "entrypoint =", "entrypoint"),
        ("wall_s", "wall", "limits.wall"),
        ("cases", "case", "self_test.case"),
    ],
)
def test_an_unknown_key_is_named(old: str, new: str, key: str) -> None:
    error = refusal(with_line(old, new))
    assert (error.reason, error.details["key"]) == ("bad_manifest", key)
    assert "known are" in error.message


@pytest.mark.parametrize("key", ["limits", "self_test"])
def test_a_table_must_be_a_table(key: str) -> None:
    text = MANIFEST[: MANIFEST.index("[limits]")] + f"{key} = 1\n"
    error = refusal({**echo_files(), "artifact.toml": text.encode()})
    assert error.details["expected"] == "a table"


@pytest.mark.parametrize(
    ("missing", "key"),
    [
        ("echo.py", "entry"),
        ("schema/input.json", "input_schema"),
        ("schema/output.json", "output_schema"),
        ("self_test.jsonl", "self_test.cases"),
    ],
)
def test_files_that_the_manifest_names_must_be_there(missing: str, key: str) -> None:
    files = echo_files()
    del files[missing]
    error = refusal(files)
    assert error.reason == "file_missing"
    assert error.details == {"path": missing, "key": key}


def test_requirements_need_their_lock() -> None:
    error = refusal(with_line("requires = []", 'requires = ["httpx"]'))
    assert (error.reason, error.details["path"]) == ("file_missing", "requirements.lock")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_schemas_must_be_json_objects(content: bytes) -> None:
    error = refusal({**echo_files(), "schema/input.json": content})
    assert (error.reason, error.details["key"]) == ("bad_manifest", "input_schema")


@pytest.mark.parametrize("content", [b"name = ", b"\xff", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused(content: bytes) -> None:
    error = refusal({**echo_files(), "artifact.toml": content})
    assert (error.reason, "is not TOML" in error.message) == ("bad_manifest", True)


def test_a_missing_manifest_is_named() -> None:
    assert refusal({"echo.py": b""}).reason == "manifest_missing"
    with pytest.raises(ArtifactError):
        _ = Bundle({"echo.py": b""}).digest


def test_the_self_test_is_read() -> None:
    cases = read_self_test(
        echo_bundle().replace(
            {"self_test.jsonl": b'{"input": 1, "expected": null}\n\n{"input": 2}'}
        )
    )
    assert [(case.line, case.input, case.has_expected) for case in cases] == [
        (1, 1, True),
        (3, 2, False),
    ]


@pytest.mark.parametrize(
    "line", [b"no", b"[]", b"{}", b'{"expected": 1}', b'{"input": 1, "more": 2}', b"[" * 100_000]
)
def test_a_wrong_line_of_the_self_test_is_named(line: bytes) -> None:
    bundle = echo_bundle().replace({"self_test.jsonl": b'{"input": 1}\n' + line})
    with pytest.raises(ArtifactError) as caught:
        read_self_test(bundle)
    assert (caught.value.reason, caught.value.details["line"]) == ("bad_self_test", 2)


def test_a_long_self_test_is_refused() -> None:
    lines = (json.dumps({"input": 1}) + "\n").encode() * 201
    with pytest.raises(ArtifactError, match="201 lines"):
        read_self_test(echo_bundle().replace({"self_test.jsonl": lines}))


def test_no_self_test_has_no_cases() -> None:
    head = MANIFEST[: MANIFEST.index("[self_test]")]
    assert read_self_test(echo_bundle().replace({"artifact.toml": head.encode()})) == ()
