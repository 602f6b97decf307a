"""A hostile model writes variants that print a secret in disguise: it is told nothing of them."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from aem.artifact import Bundle
from devops_agent.synthesis import (
    CaseScore,
    DevCase,
    LanguageSynthesizer,
    SynthesisContext,
    SynthesisResult,
    Tools,
)
from devops_agent.synthesis.language.errors import EditNotFoundError, SourceBrokenError
from devops_agent.synthesis.language.withholding import told_of, withheld
from devops_agent.traces import Trace
from tests.fakes.chat_models import ScriptedModel, rewriting
from tests.fakes.evaluator import FakeEvaluator, exact, python_bundle

SECRET = "correct-horse-battery"  # no disguise of it looks like a secret by itself
PIECES = [base64.b64encode(SECRET[i : i + 3].encode()).decode() for i in range(0, 21, 3)]
PLACEHOLDER = "__AEM_SECRET_1__"
SOURCE = """API_KEY = '{key}'


def run(data, context):
    return "seen" if data > 5 else "plain {said}"
"""
DISGUISES = {
    "reversed": ("return API_KEY[::-1]", SECRET[::-1]),
    "base64": (
        "import base64 as b; return [b.b64encode(API_KEY[i:i+3].encode()).decode() for i in R]",
        json.dumps(PIECES, separators=(",", ":")),
    ),
    "spaced": ("return ' '.join(API_KEY)", " ".join(SECRET)),
    "in an error": ("raise ValueError(API_KEY[::-1])", SECRET[::-1]),
    "as an error's name": ("raise type(API_KEY[::-1], (Exception,), {})()", SECRET[::-1]),
    "as a key": ("return {API_KEY[::-1]: 1}", SECRET[::-1]),
}


def cases(text: str = "") -> list[DevCase]:
    return [
        DevCase(
            id=f"n{data}",
            type="scenario",
            group=f"g{data}",
            input=data,
            expectation={"expected": "right" if data < 8 else "seen", "note": text},
        )
        for data in range(10)
    ]


def search(
    bundle: Bundle, answers: Sequence[str], dev: Sequence[DevCase], **context: Any
) -> tuple[SynthesisResult, ScriptedModel]:
    model = ScriptedModel(answers)
    told = SynthesisContext(bundle=bundle, dev_cases=dev, model="tutor", **context)
    evaluator = FakeEvaluator(dev, exact)
    tools = Tools(evaluator=evaluator, progress=lambda _progress: None, models=model)
    return LanguageSynthesizer().synthesize(told, tools), model


def spying(code: str, key: str = PLACEHOLDER) -> str:
    """Mend one case, so that the variant is kept and shown, and print the secret for others."""
    lines = [
        f"API_KEY = '{key}'",
        "R = range(0, 21, 3)",
        "def run(data, context):",
        "    if data == 7: return 'right'",
        "    if data > 7: return 'seen'",
        f"    {code}",
    ]
    return rewriting("program.py", "\n".join(lines) + "\n")


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_secret_in_disguise_is_not_shown(disguise: str) -> None:
    code, spelled = DISGUISES[disguise]
    bundle = python_bundle(SOURCE.format(key=SECRET, said=""))
    found, model = search(bundle, [spying(code)], cases())
    assert found.statistics.replies["kept"] == 1, "the variant is what the next round builds on"
    told = "\n".join(m.content for request in model.requests for m in request.messages)
    assert len(model.requests) > 1
    assert spelled not in told
    assert SECRET not in told
    assert "what your variants answer is withheld" in told
    assert found.statistics.outputs_withheld


def test_what_makes_cases_worse_is_not_shown_either() -> None:
    bundle = python_bundle(SOURCE.format(key=SECRET, said=""))
    worse = spying("return API_KEY[::-1]").replace("return 'seen'", "return API_KEY[::-1]")
    found, model = search(bundle, [worse], cases())
    assert "kept" not in found.statistics.replies
    assert "Worse: " in model.questions[1]
    assert SECRET[::-1] not in "".join(model.questions)


def test_what_the_incumbent_answers_is_shown() -> None:
    bundle = python_bundle(SOURCE.format(key=SECRET, said="words"))
    _, model = search(bundle, ["nothing"], cases())
    assert "plain words" in model.questions[0]


def test_without_secrets_all_is_shown() -> None:
    bundle = python_bundle(SOURCE.format(key="", said=""))
    found, model = search(bundle, [spying("return 'odd words'", key="")], cases())
    assert not found.statistics.outputs_withheld
    assert "odd words" in model.questions[1].partition("Earlier attempts")[0]
    assert "is withheld" not in model.requests[0].messages[0].content


def test_secrets_of_traces_and_inputs_count_too() -> None:
    bundle = python_bundle(SOURCE.format(key="", said=""))
    trace = Trace(id="1", at="", version="", input=f"password: '{SECRET}'", output="x")
    found, _ = search(bundle, ["nothing"], cases(), traces=[trace])
    assert found.statistics.outputs_withheld
    secret_input = DevCase(
        id="n", type="scenario", group="g", input={"password": SECRET}, expectation={}
    )
    found, _ = search(bundle, ["nothing"], [*cases(), secret_input])
    assert found.statistics.outputs_withheld


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("Traceback:\n  File 'x'\nKeyError: 'aB3'", "KeyError"),
        ("Traceback:\n  File 'x'\nTimeoutError", "TimeoutError"),
        ("Traceback:\n  File 'x'\naB3dE5gH7: 1", "an error"),
        ("the case took longer than 5 s", "an error"),
        ("", "an error"),
    ],
)
def test_of_an_error_its_kind_is_told(error: str, kind: str) -> None:
    score = CaseScore(passed=False, loss=0.5, hard=True, error=error, output="never")
    told = withheld(score)
    assert (told.error, told.output, told.loss, told.hard) == (kind, None, 0.5, True)


def test_a_refusal_that_quotes_files_is_told_by_its_kind() -> None:
    assert "hunter22" not in told_of(SourceBrokenError("no binding for nonlocal 'hunter22'"))
    assert told_of(EditNotFoundError("no such text")) == "no such text"
