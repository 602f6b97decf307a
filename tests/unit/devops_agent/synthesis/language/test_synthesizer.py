"""The search: what models propose, the dev cases decide."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from aem.artifact import Bundle, ChatRequest
from core.errors import InfrastructureError, PaymentRequiredError
from devops_agent.synthesis import (
    BudgetExhaustedError,
    DevCase,
    LanguageSynthesizer,
    Progress,
    SynthesisContext,
    SynthesisResult,
    Tools,
    UnsupportedKindError,
)
from devops_agent.synthesis.language.pool import Pool, Variant
from devops_agent.synthesis.language.reply import REPLY_SCHEMA
from devops_agent.synthesis.port import CaseScore
from tests.fakes.chat_models import Answer, ScriptedModel, proposal, replacing, rewriting
from tests.fakes.evaluator import FakeEvaluator, exact, python_bundle

FAULTY = """def small(n):
    return n < 3


def run(data, context):
    if small(data):
        return "small"
    return "big" if data > 9 else "middle"
"""
RIGHT = FAULTY.replace("n < 3", "n <= 3").replace("data > 9", "data > 8")
FIRST = replacing("program.py", "n < 3", "n <= 3", "the bound belongs to the small ones")
SECOND = replacing("program.py", "data > 9", "data > 8", "nine is big")
WORSE = replacing("program.py", "n < 3", "n < 30")
MISSING = replacing("program.py", "n < 33", "n < 30")
MEMORY = rewriting(
    "program.py",
    'def run(data, context):\n    return {3: "small", 9: "big"}.get(data, "middle")\n',
)


class ProviderFailedError(InfrastructureError):
    reason = "test_provider_failed"


class NoMoneyError(PaymentRequiredError):
    reason = "test_no_money"


def answer(data: int) -> str:
    return "small" if data <= 3 else "big" if data > 8 else "middle"


def cases(kind: str = "scenario") -> list[DevCase]:
    return [
        DevCase(
            id=f"n{data}",
            type=kind,
            group=f"g{data}",
            input=data,
            expectation={"expected": answer(data)},
        )
        for data in range(14)
    ]


def search(
    answers: Sequence[Answer],
    *,
    runs: int = 1_000,
    dev: Sequence[DevCase] | None = None,
    bundle: Bundle | None = None,
    progress: Callable[[Progress], None] = lambda _progress: None,
) -> tuple[SynthesisResult, ScriptedModel, FakeEvaluator]:
    dev = cases() if dev is None else dev
    evaluator = FakeEvaluator(dev, exact, runs=runs)
    model = ScriptedModel(answers)
    context = SynthesisContext(
        bundle=bundle or python_bundle(FAULTY), dev_cases=dev, seed=7, model="tutor"
    )
    tools = Tools(evaluator=evaluator, progress=progress, models=model)
    return LanguageSynthesizer().synthesize(context, tools), model, evaluator


def source(result: SynthesisResult) -> str:
    return result.candidates[0].bundle.files["program.py"].decode()


def test_a_right_proposal_is_the_first_candidate() -> None:
    found, model, evaluator = search([rewriting("program.py", RIGHT, "two bounds were wrong")])
    assert source(found) == RIGHT
    assert found.reason is None
    assert found.candidates[0].dev_loss == 0.0
    assert "two bounds were wrong" in found.candidates[0].rationale
    assert "from 2.000 to 0.000" in found.candidates[0].rationale
    assert len(model.requests) == 1
    statistics = found.statistics
    assert (statistics.ended_by, statistics.replies) == ("solved", {"kept": 1})
    assert (statistics.baseline_loss, statistics.best_loss) == (2.0, 0.0)
    assert (statistics.rounds, statistics.variants, statistics.runs) == (1, 1, 28)
    assert evaluator.remaining_runs == 1_000 - 28


def test_a_request_is_capped_and_names_model_and_schema() -> None:
    _, model, _ = search(["nothing"])
    first, second, *_ = model.requests
    assert (first.model, first.max_tokens, first.seed) == ("tutor", 8_192, 8)
    assert first.reply_schema == REPLY_SCHEMA
    assert (first.temperature, second.temperature) == (0.0, 0.7)
    assert [message.role.value for message in first.messages] == ["system", "user"]
    assert '"edits"' in first.messages[0].content


def test_rounds_build_on_what_was_kept() -> None:
    found, model, _ = search([FIRST, SECOND])
    assert source(found) == RIGHT
    assert "n <= 3" in model.questions[1]
    assert "Attempt 1: kept." in model.questions[1]
    assert [c.dev_loss for c in found.candidates] == [0.0, 1.0]
    edits = [(edit.line, edit.before, edit.after) for edit in found.candidates[0].edits]
    assert edits == [
        (2, "    return n < 3\n", "    return n <= 3\n"),
        (
            8,
            '    return "big" if data > 9 else "middle"\n',
            '    return "big" if data > 8 else "middle"\n',
        ),
    ]
    assert found.statistics.replies == {"kept": 2}


def test_failures_are_fed_back_word_for_word() -> None:
    broken = rewriting("program.py", "def run(:\n")
    crash = rewriting("program.py", "def run(data, context):\n    return data['x']\n")
    found, model, _ = search([MISSING, FIRST, broken, SECOND, crash])
    assert found.statistics.ended_by == "solved"
    assert "does not contain the text to search for" in model.questions[1]
    assert "n < 33" in model.questions[1]
    assert "program.py, line 1: invalid syntax" in model.questions[3]

    _, model, _ = search([crash])
    assert "Attempt 1: no_gain." in model.questions[1]
    assert "TypeError: 'int' object is not subscriptable" in model.questions[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I would change the bound.", "reply_not_json"),
        ('{"edits": 1}', "reply_malformed"),
        (proposal(), "nothing_proposed"),
        (MISSING, "edit_not_found"),
        (rewriting("../x.py", ""), "edit_outside"),
        (rewriting("sitecustomize.py", ""), "edit_forbidden"),
        (replacing("artifact.toml", "acme/program", "acme/other"), "manifest_changed"),
        (replacing("program.py", "n < 3", "n < 3"), "edit_no_change"),
        (WORSE, "proposal_repeated"),
        (rewriting("program.py", "import nothing\n"), "proposal_repeated"),
    ],
)
def test_a_search_that_finds_nothing_says_why(text: str, reason: str) -> None:
    found, model, _ = search([text])
    assert (list(found.candidates), found.reason) == ([], reason)
    assert len(model.requests) == 3
    assert found.statistics.ended_by == "stalled"
    assert found.statistics.best_loss == found.statistics.baseline_loss == 2.0


def test_a_variant_must_lose_strictly_less() -> None:
    same = replacing("program.py", "data > 9", "data > 9.5")
    one_for_one = proposal(
        {"path": "program.py", "search": "n < 3", "replace": "n <= 3"},
        {"path": "program.py", "search": "data > 9", "replace": "data > 10"},
    )
    found, _, _ = search([same, one_for_one, MEMORY])
    assert not found.candidates
    assert found.reason == "no_gain"
    assert found.statistics.replies == {"no_gain": 3}


def test_a_hard_case_may_not_break_whatever_is_gained() -> None:
    dev = [replace(case, type="invariant") if case.id == "n5" else case for case in cases()]
    swap = rewriting(
        "program.py",
        RIGHT.replace(
            "context):\n",
            "context):\n    data += data == 5\n    if data == 6:\n        return 'five'\n",
            1,
        ),
    )
    found, model, _ = search([swap], dev=dev)
    assert not found.candidates
    assert found.statistics.replies["hard_case_broken"] == 1
    assert "breaks cases each of which alone rejects" in model.questions[1]


def test_a_bad_variant_is_not_run_to_the_end() -> None:
    found, _, evaluator = search([WORSE], runs=1_000)
    assert found.statistics.runs < 2 * 14
    assert evaluator.remaining_runs == 1_000 - found.statistics.runs


def test_no_proposal_is_paid_for_that_could_not_be_measured() -> None:
    found, model, _ = search([FIRST], runs=27)
    assert not model.requests
    assert found.reason == "the run budget does not cover the dev cases once more"

    found, model, _ = search([FIRST, SECOND], runs=28)
    assert len(model.requests) == 1
    assert [c.dev_loss for c in found.candidates] == [1.0]
    assert (found.reason, found.statistics.ended_by) == (None, "exhausted")

    found, model, _ = search([FIRST], runs=13)
    assert not model.requests
    assert found.reason == "the run budget does not cover the dev cases once"


@pytest.mark.parametrize(
    "error", [NoMoneyError("no tokens"), BudgetExhaustedError("no time")], ids=["money", "time"]
)
def test_an_order_without_means_hands_over_what_it_has(error: Exception) -> None:
    found, _, _ = search([FIRST, error])
    assert [c.dev_loss for c in found.candidates] == [1.0]
    assert found.reason is None
    assert found.statistics.ended_by == "exhausted"

    found, _, _ = search([error])
    assert (list(found.candidates), found.reason) == ([], str(error))


def test_a_provider_that_fails_is_not_the_artifacts_fault() -> None:
    with pytest.raises(ProviderFailedError):
        search([FIRST, ProviderFailedError("down")])


def test_a_search_ends_when_three_rounds_gain_nothing() -> None:
    found, model, _ = search([FIRST, MISSING])
    assert len(model.requests) == 4
    assert found.statistics.ended_by == "stalled"
    assert found.statistics.replies == {"kept": 1, "edit_not_found": 3}
    assert [c.dev_loss for c in found.candidates] == [1.0]


def test_rounds_have_an_end() -> None:
    faults = {f"f{n}": n for n in range(20)}
    program = "FIXED = 0\n\n\ndef run(data, context):\n    return data < FIXED\n"
    dev = [
        DevCase(id=name, type="scenario", group=name, input=n, expectation={"expected": True})
        for name, n in faults.items()
    ]
    steps = [replacing("program.py", f"FIXED = {n}\n", f"FIXED = {n + 1}\n") for n in range(20)]
    found, model, _ = search(steps, dev=dev, bundle=python_bundle(program))
    assert len(model.requests) == 8
    assert found.statistics.ended_by == "rounds_over"
    assert [c.dev_loss for c in found.candidates] == [12.0, 13.0, 14.0, 15.0, 16.0]


def test_of_equals_the_smaller_change_comes_first() -> None:
    long = rewriting("program.py", RIGHT.replace("n <= 3", "n <= 3 and True"))
    dev = [case for case in cases() if case.id != "n9"] + [
        DevCase(id="odd", type="scenario", group="o", input=7, expectation={"expected": "odd"})
    ]
    short = rewriting("program.py", FAULTY.replace("n < 3", "n <= 3"))
    found, _, _ = search([long, short, MISSING], dev=dev)
    assert [c.dev_loss for c in found.candidates] == [1.0, 1.0]
    assert "and True" not in source(found)


def test_after_a_fruitless_round_another_variant_is_built_on() -> None:
    """Each of two variants mends what the other does not; the second question shows the other."""
    small = rewriting("program.py", FAULTY.replace("n < 3", "n <= 3") + "# one\n")
    big = rewriting("program.py", FAULTY.replace("data > 9", "data > 8") + "# other\n")
    _, model, _ = search([small, big, MISSING, SECOND])
    assert "# one" in model.questions[1].partition("Earlier attempts")[0]
    shown = [question.partition("Earlier attempts")[0] for question in model.questions]
    assert ["# one" in text for text in shown] == [False, True, False, True]
    assert "# other" in shown[2]


def test_the_same_replies_give_the_same_search() -> None:
    script = [MISSING, FIRST, WORSE, SECOND]
    first, first_model, first_evaluator = search(script)
    second, second_model, second_evaluator = search(script)
    assert first == second
    assert first_model.requests == second_model.requests
    assert first_evaluator.log == second_evaluator.log


def test_nothing_is_asked_when_everything_passes() -> None:
    found, model, _ = search([FIRST], bundle=python_bundle(RIGHT))
    assert (found.reason, model.requests) == ("every dev case passes already", [])
    found, model, _ = search([FIRST], dev=[])
    assert (found.reason, model.requests) == ("there are no dev cases to learn from", [])


@pytest.mark.parametrize("changes", [{"models": None}, {"model": ""}])
def test_a_model_is_needed(changes: dict[str, Any]) -> None:
    model = changes.get("model", "tutor")
    context = SynthesisContext(bundle=python_bundle(FAULTY), dev_cases=cases(), model=model)
    tools = Tools(
        evaluator=FakeEvaluator(cases(), exact),
        progress=lambda _progress: None,
        models=changes.get("models", ScriptedModel([FIRST])),
    )
    found = LanguageSynthesizer().synthesize(context, tools)
    assert (list(found.candidates), found.reason) == ([], "no_model")


def test_policies_are_refused() -> None:
    manifest = python_bundle("").files["artifact.toml"].replace(b'"python"', b'"policy"')
    with pytest.raises(UnsupportedKindError):
        search([FIRST], bundle=python_bundle("").replace({"artifact.toml": manifest}))


def test_the_secret_of_a_file_survives_and_stays_here() -> None:
    secret = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9b"
    bundle = python_bundle(f"KEY = '{secret}'\n{FAULTY}")
    found, model, _ = search([FIRST, SECOND], bundle=bundle)
    assert source(found) == f"KEY = '{secret}'\n{RIGHT}"
    told = str([message for request in model.requests for message in request.messages])
    assert "__AEM_SECRET_1__" in told
    assert secret not in told
    assert secret not in str([edit for c in found.candidates for edit in c.edits])


def test_a_secret_that_is_taken_out_is_not_told_of() -> None:
    secret = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9b"
    bundle = python_bundle(f"KEY = '{secret}'\n{FAULTY}")
    found, _, _ = search([rewriting("program.py", RIGHT)], bundle=bundle)
    assert source(found) == RIGHT
    assert found.candidates[0].edits[0].before == "KEY = '__AEM_SECRET_1__'\n"


def test_progress_is_told() -> None:
    told: list[Progress] = []
    search([FIRST, SECOND], progress=told.append)
    stages = [progress.stage for progress in told]
    assert stages == ["baseline", "asking", "measuring", "asking", "measuring"]
    assert [progress.loss for progress in told][-1] == 1.0


def test_a_model_that_reads_its_question_is_enough() -> None:
    """An engineer who knows the right file, and replaces what the question shows him."""

    def engineer(request: ChatRequest) -> str:
        question = request.messages[-1].content
        shown = question.partition("program.py\n\n")[2].partition("\ndata-")[0]
        return replacing("program.py", shown, RIGHT)

    found, _, _ = search([engineer])
    assert source(found) == RIGHT


class TestPool:
    def variant(self, *losses: float) -> Variant:
        scores = {
            str(n): CaseScore(passed=loss == 0, loss=loss, hard=False)
            for n, loss in enumerate(losses)
        }
        return Variant(bundle=python_bundle(str(losses)), scores=scores)

    def test_the_best_is_built_on_first_and_then_whatever_is_undominated(self) -> None:
        incumbent, one, other = (
            self.variant(1, 1, 1),
            self.variant(1, 0.5, 0),
            self.variant(0, 1, 1),
        )
        pool = Pool(incumbent)
        assert pool.parent() is incumbent
        pool.add(other)
        assert pool.parent() is other
        pool.add(one)
        assert pool.parent() is one
        one.fruitless += 1
        assert pool.parent() is other
        other.fruitless += 2
        assert pool.parent() is one
        assert pool.best_loss == 1.5

    def test_a_dominated_variant_is_never_built_on(self) -> None:
        pool = Pool(self.variant(1, 1))
        good = self.variant(0, 0.5)
        pool.add(self.variant(0, 0.9))
        pool.add(good)
        good.fruitless = 9
        assert pool.parent() is good
