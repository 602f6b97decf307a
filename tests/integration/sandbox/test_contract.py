"""One contract for every implementation of the sandbox port, and for the fake of it."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from sandbox import (
    Sandbox,
    SandboxLimits,
    SandboxLimitsError,
    SessionExpiredError,
    VariantNotLoadedError,
)
from tests.integration.sandbox.conftest import LIMITS, Opener, bundle

ECHO = "def run(input, context):\n    return {'got': input}\n"


def test_a_candidate_answers_with_json_text(opened: Opener) -> None:
    run = opened(ECHO).run("v", "case-1", {"word": "café", "n": [1, 2.5, None]})
    assert run.status == "answered"
    assert run.case_id == "case-1"
    assert json.loads(run.output_text) == {"got": {"word": "café", "n": [1, 2.5, None]}}
    assert run.error is None
    assert run.wall_ms >= 0
    assert run.lines is None


def test_an_exception_names_the_artifacts_files_and_lines(opened: Opener) -> None:
    source = "import inner\ndef run(input, context):\n    return inner.fail(input)\n"
    inner = b"def fail(input):\n    return input['missing']\n"
    run = opened(source, inner__py=inner).run("v", "c", {})
    assert run.status == "error"
    assert run.output_text is None
    assert run.error == "  program.py:3 in run\n  inner.py:2 in fail\nKeyError: 'missing'"


@pytest.mark.parametrize("source", ["raise SystemExit(3)", "return {1, 2}", "return object()"])
def test_what_is_no_answer_is_an_error(opened: Opener, source: str) -> None:
    run = opened(f"def run(input, context):\n    {source}\n").run("v", "c", {})
    assert run.status == "error"
    assert run.error


def test_an_endless_loop_is_a_timeout_and_the_next_case_is_served(opened: Opener) -> None:
    source = (
        "def run(input, context):\n    while input['loop']:\n        pass\n    return 'free'\n"
    )
    session = opened(source, limits=replace(LIMITS, case_wall_s=0.3))
    assert session.run("v", "c1", {"loop": True}).status == "timeout"
    assert session.run("v", "c2", {"loop": False}).output_text == b'"free"'


def test_nan_and_duplicate_keys_reach_the_host_as_they_were_written(opened: Opener) -> None:
    source = "def run(input, context):\n    return {'a': float('nan'), 1: 'x', '1': 'y'}\n"
    run = opened(source).run("v", "c", {})
    assert run.output_text == b'{"a": NaN, "1": "x", "1": "y"}'


def test_an_output_is_bounded(opened: Opener) -> None:
    source = "def run(input, context):\n    return 'x' * input['n']\n"
    session = opened(source, limits=replace(LIMITS, output_bytes=1000))
    assert session.run("v", "c1", {"n": 998}).status == "answered"
    too_large = session.run("v", "c2", {"n": 999})
    assert too_large.status == "output_too_large"
    assert too_large.output_text is None
    assert session.run("v", "c3", {"n": 10_000_000}).status == "output_too_large"
    assert session.run("v", "c4", {"n": 1}).output_text == b'"x"'


def test_a_bundle_that_does_not_import_fails_to_load_and_all_its_cases_with_it(
    opened: Opener,
) -> None:
    session = opened()
    outcome = session.load("v", bundle("def run(input, context):\n    return (\n"))
    assert outcome.status == "error"
    assert "program.py:2" in outcome.error
    assert "SyntaxError" in outcome.error
    run = session.run("v", "c", {})
    assert (run.status, run.error) == ("error", outcome.error)


def test_a_bundle_without_the_entrys_function_fails_to_load(opened: Opener) -> None:
    outcome = opened().load("v", bundle("def walk(input, context): ...\n"))
    assert outcome.status == "error"
    assert "run" in outcome.error


def test_two_variants_of_one_session_do_not_see_each_other(opened: Opener) -> None:
    session = opened()
    for word in ("one", "two"):
        source = "from phrase import WORD\ndef run(input, context):\n    return WORD\n"
        loaded = session.load(word, bundle(source, phrase__py=f"WORD = {word!r}\n".encode()))
        assert loaded.is_loaded
    outputs = [session.run(word, "c", {}).output_text for word in ("one", "two", "one")]
    assert outputs == [b'"one"', b'"two"', b'"one"']


def test_a_variant_may_be_replaced_and_dropped(opened: Opener) -> None:
    session = opened("def run(input, context):\n    return 1\n")
    session.load("v", bundle("def run(input, context):\n    return 2\n"))
    assert session.run("v", "c", {}).output_text == b"2"
    session.drop("v")
    session.drop("v")
    with pytest.raises(VariantNotLoadedError):
        session.run("v", "c", {})


def test_executed_lines_are_told_when_asked_for(opened: Opener) -> None:
    source = (
        "def run(input, context):\n"  # 1
        "    if input['deep']:\n"  # 2
        "        return helper()\n"  # 3
        "    return 0\n"  # 4
        "def helper():\n"  # 5
        "    return sum(n for n in range(3))\n"  # 6
    )
    session = opened(source)
    assert session.run("v", "c", {"deep": True}, trace_lines=True).lines == {
        "program.py": [2, 3, 6]
    }
    assert session.run("v", "c", {"deep": False}, trace_lines=True).lines == {"program.py": [2, 4]}


def test_a_traced_endless_loop_ends_and_tells_its_lines(opened: Opener) -> None:
    source = (
        "def run(input, context):\n"
        "    n = 0\n"
        "    while True:\n"
        "        try:\n"
        "            n += 1\n"
        "        except Exception:\n"
        "            pass\n"
    )
    run = opened(source).run("v", "c", {}, trace_lines=True)
    assert run.status == "timeout"
    assert run.lines == {"program.py": [2, 3, 4, 5]}


def test_use_is_metered_and_stays_after_the_end(opened: Opener) -> None:
    session = opened(ECHO)
    session.run("v", "c", {})
    session.run("v", "c", {})
    session.close()
    use = session.usage()
    assert use.cases == 2
    assert use.wall_ms > 0
    assert use.memory_peak_bytes > 1_000_000
    assert use.output_bytes == 2 * len(b'{"got": {}}')
    assert session.usage() == use


def test_a_closed_session_refuses(opened: Opener) -> None:
    session = opened(ECHO)
    session.close()
    session.close()
    with pytest.raises(SessionExpiredError):
        session.run("v", "c", {})
    with pytest.raises(SessionExpiredError):
        session.load("w", bundle(ECHO))


def test_isolation_is_json_and_names_what_an_attestation_needs(any_sandbox: Sandbox) -> None:
    isolation = any_sandbox.isolation()
    assert isolation == json.loads(json.dumps(isolation))
    assert set(isolation) == {
        "engine",
        "engine_version",
        "profile",
        "image",
        "python",
        "degraded",
        "notice",
    }
    assert isolation["engine"] == any_sandbox.name
    assert isolation["degraded"] is (isolation["notice"] is not None)


def test_a_session_ends_at_its_deadline_in_the_middle_of_a_case(opened_for_real: Opener) -> None:
    source = "import time\ndef run(input, context):\n    time.sleep(30)\n"
    session = opened_for_real(source, limits=replace(LIMITS, session_s=1.5, case_wall_s=20.0))
    started_at = time.monotonic()
    with pytest.raises(SessionExpiredError):
        session.run("v", "c", {})
    assert time.monotonic() - started_at < 5
    with pytest.raises(SessionExpiredError):
        session.run("v", "c", {})
    assert session.usage().wall_ms >= 1400


@pytest.mark.parametrize("limits", [{"memory_bytes": 1000}, {"pids": 1}])
def test_limits_under_which_nothing_can_run_are_refused(
    real_sandbox: Sandbox, limits: Any
) -> None:
    with pytest.raises(SandboxLimitsError):
        real_sandbox.open(limits=SandboxLimits(**limits), label="t")


def test_a_bundles_data_files_can_be_read_beside_its_code(opened_for_real: Opener) -> None:
    source = (
        "from pathlib import Path\n"
        "def run(input, context):\n"
        "    return Path(__file__).with_name('words.txt').read_text()\n"
    )
    session = opened_for_real(source, words__txt=b"some words")
    assert session.run("v", "c", {}).output_text == b'"some words"'


def test_the_context_says_that_nothing_is_brokered(opened_for_real: Opener) -> None:
    run = opened_for_real("def run(input, context):\n    context.llm('hello')\n").run("v", "c", {})
    assert run.status == "error"
    assert "context.llm is not offered" in run.error
