"""Running a version's own cases before it is taken into use."""

from typing import Any

from aem.artifact import Bundle, SelfTestCase, read_self_test
from aem.errors import SdkError
from aem.handle.errors import SelfTestFailedError
from aem.handle.runtime import Runtime
from aem.proof import canonical_json


def run_self_test(bundle: Bundle, runtime: Runtime) -> None:
    """Call the loaded version with each case of its self-test.

    Raises:
        SelfTestError: the cases cannot be read.
        SelfTestFailedError: a case has no answer, another answer, or one that is no JSON.
    """
    for case in read_self_test(bundle):
        _run(case, runtime, bundle.digest)


def _run(case: SelfTestCase, runtime: Runtime, digest: str) -> None:
    try:
        output = canonical_json(runtime.call(case.input))
    except SdkError as error:
        raise _failed(case, digest, f"it has no answer: {error}") from error
    if case.has_expected and output != canonical_json(case.expected):
        raise _failed(case, digest, "its answer is not the expected one")


def _failed(case: SelfTestCase, digest: str, problem: Any) -> SelfTestFailedError:
    return SelfTestFailedError(
        f"{digest} fails line {case.line} of its self-test: {problem}",
        digest=digest,
        line=case.line,
    )
