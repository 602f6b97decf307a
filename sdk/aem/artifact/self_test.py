"""Self-tests: the cases that a version must answer before it is taken into use."""

import json
from dataclasses import dataclass
from typing import Any

from aem.artifact.bundle import Bundle
from aem.artifact.errors import SelfTestError

MAX_CASES = 200
"""A swap waits for the self-test: more belongs into the gold dataset."""

_KEYS = ({"input"}, {"input", "expected"})


@dataclass(frozen=True, kw_only=True)
class SelfTestCase:
    """One call of the self-test.

    Attributes:
        line: its line in the file, from 1.
        input: what the artifact is called with.
        has_expected: whether the answer must equal `expected`; otherwise any answer will do.
        expected: the answer, when there is one.
    """

    line: int
    input: Any
    has_expected: bool
    expected: Any = None


def read_self_test(bundle: Bundle) -> tuple[SelfTestCase, ...]:
    """Return the self-test's cases; none when the manifest names no self-test.

    Raises:
        ArtifactError: the manifest is wrong.
        SelfTestError: a line is no object with `input` and perhaps `expected`.
    """
    path = bundle.manifest.self_test
    if path is None:
        return ()
    lines = bundle.files[path].splitlines()
    if len(lines) > MAX_CASES:
        raise SelfTestError(
            f"{path!r} has {len(lines)} lines, and {MAX_CASES} is the limit: move cases to the"
            " gold dataset",
            path=path,
        )
    return tuple(
        _case(path, number, text) for number, text in enumerate(lines, start=1) if text.strip()
    )


def _case(path: str, line: int, text: bytes) -> SelfTestCase:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SelfTestError(
            f"{path!r}, line {line}, is not JSON: {error}", path=path, line=line
        ) from error
    if not isinstance(fields, dict) or set(fields) not in _KEYS:
        raise SelfTestError(
            f"{path!r}, line {line}, must be an object with `input` and perhaps `expected`",
            path=path,
            line=line,
        )
    return SelfTestCase(
        line=line,
        input=fields["input"],
        has_expected="expected" in fields,
        expected=fields.get("expected"),
    )
