"""`prompt-search` on a model that is scripted: what it finds, and what it never does."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from aem.artifact import Bundle, ChatReply, ChatRequest, Constraint, Demonstration, read_prompt
from devops_agent.synthesis import (
    BudgetExhaustedError,
    CaseScore,
    DevCase,
    Evaluation,
    Progress,
    PromptSearchSynthesizer,
    SynthesisContext,
    SynthesisResult,
    Tools,
    UnsupportedKindError,
)
from devops_agent.synthesis.prompts import moves
from devops_agent.synthesis.prompts.entities import worsening
from devops_agent.synthesis.prompts.pool import gather, shape_of, wanted_output
from devops_agent.synthesis.prompts.race import cost, hard_failures
from devops_agent.synthesis.prompts.variant import read_variant, with_key, write_variant
from devops_agent.traces import Trace
from sandbox import PromptSandbox, SandboxLimits
from tests.fakes.bundles import echo_bundle
from tests.fakes.evaluator import entity_loss
from tests.fakes.prompts import ScriptedModel, prompt_bundle

TYPES = ("city", "order")
OUTPUT = {
    "type": "object",
    "properties": {
        "entities": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"enum": list(TYPES), "description": "what it is"},
                    "value": {"type": "string"},
                },
                "required": ["type", "value"],
            },
        },
        "note": {"type": ["string", "null"]},
    },
    "required": ["entities", "note"],
}
INPUT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
CITIES = ("Oslo", "Cork", "Riga", "Lyon", "Graz", "Turin")


def chat(number: int) -> tuple[str, list[dict[str, str]]]:
    city, order = CITIES[number % 6], f"#{100 + number}"
    if number % 3 == 0:
        return f"I am in {city}", [{"type": "city", "value": city}]
    if number % 3 == 1:
        return f"where is {order}", [{"type": "order", "value": order}]
    return "hello", []


def dev_cases(count: int = 18) -> list[DevCase]:
    cases = []
    for number in range(count):
        text, entities = chat(number)
        cases.append(
            DevCase(
                id=f"c{number}",
                type="robustness",
                group=f"g{number % 6}",
                input={"text": f"{text} ({number})"},
                expectation={"entities": entities},
            )
        )
    return cases


def traces(count: int = 14) -> list[Trace]:
    found = []
    for number in range(count):
        text, entities = chat(number)
        corrected = {"entities": entities, "note": None}
        found.append(
            Trace(
                id=f"t{number}",
                at="2026-01-05T09:30:00Z",
                version="sha256:" + "0" * 64,
                input={"text": f"{text}, please ({number})"},
                error="no JSON",
                feedback={"score": 0.0, "corrected_output": corrected},
            )
        )
    return found


class Pupil:
    """A model that finds a type only if a demonstration shows one, and rambles unless held."""

    def __call__(self, request: ChatRequest) -> str | ChatReply:
        text = request.messages[-1].content
        if request.reply_schema is None and len(request.messages) < 3:
            return "Sure! I would say " + text
        shown = {
            entity["type"]
            for message in request.messages
            if message.role == "assistant"
            for entity in json.loads(message.content)["entities"]
        }
        found = [("city", c) for c in CITIES if c in text]
        found += [("order", match) for match in re.findall(r"#\d+", text)]
        entities = [{"type": kind, "value": v} for kind, v in found if kind in shown]
        return json.dumps({"entities": entities, "note": None})


class PromptEvaluator:
    """Implements `DevEvaluator` on a prompt session with a scripted model."""

    def __init__(
        self, model: ScriptedModel, cases: Sequence[DevCase], *, runs: int = 2_000
    ) -> None:
        self.remaining_runs = runs
        self.asked: list[str] = []
        self._cases = {case.id: case for case in cases}
        self._model = model

    def evaluate(
        self, bundle: Bundle, case_ids: Sequence[str], *, stop_above: float | None
    ) -> Evaluation:
        settings = bundle.manifest.prompt
        assert settings is not None
        sandbox = PromptSandbox(self._model, settings=settings, provider="test")
        session = sandbox.open(limits=SandboxLimits(), label="test")
        assert session.load("v", bundle).is_loaded
        scores: dict[str, CaseScore] = {}
        for case_id in case_ids:
            if not self.remaining_runs:
                raise BudgetExhaustedError("over")
            self.remaining_runs -= 1
            self.asked.append(case_id)
            case = self._cases[case_id]
            run = session.run("v", case_id, case.input)
            output = None if run.output_text is None else json.loads(run.output_text)
            loss = 1.0 if output is None else entity_loss(case, output)
            scores[case_id] = CaseScore(
                passed=loss == 0.0, loss=loss, hard=output is None, error=run.error, output=output
            )
            if stop_above is not None and sum(s.loss for s in scores.values()) > stop_above:
                break
        return Evaluation(scores=scores)

    def lines(self, bundle: Bundle, case_ids: Sequence[str]) -> Any:
        raise AssertionError("a prompt has no lines")


def incumbent(**changes: Any) -> Bundle:
    messages = [{"role": "user", "content": "List the cities and the orders as JSON.\n{{text}}"}]
    chosen = {
        "messages": messages,
        "constraint": "none",
        "input_schema": INPUT,
        "output_schema": OUTPUT,
        **changes,
    }
    return prompt_bundle(**chosen)


def search(
    bundle: Bundle | None = None,
    *,
    cases: Sequence[DevCase] | None = None,
    known: Sequence[Trace] = (),
    runs: int = 2_000,
    model: Any = None,
    told: list[Progress] | None = None,
) -> tuple[SynthesisResult, PromptEvaluator]:
    chosen = dev_cases() if cases is None else cases
    evaluator = PromptEvaluator(ScriptedModel(model or Pupil()), chosen, runs=runs)
    context = SynthesisContext(bundle=bundle or incumbent(), dev_cases=chosen, traces=known)
    progress = (lambda _: None) if told is None else told.append
    tools = Tools(evaluator=evaluator, progress=progress)
    return PromptSearchSynthesizer().synthesize(context, tools), evaluator


def test_a_constraint_and_demonstrations_are_found_where_they_help() -> None:
    told: list[Progress] = []
    result, evaluator = search(known=traces(), told=told)
    (candidate,) = result.candidates
    assert candidate.dev_loss == 0.0
    assert result.statistics.baseline_loss == 16.0
    prompt = read_prompt(candidate.bundle)
    shown = {
        entity["type"] for each in prompt.demonstrations for entity in each.output["entities"]
    }
    assert shown == set(TYPES)
    assert prompt.settings.constraint is not Constraint.NONE
    assert candidate.bundle.manifest.name == incumbent().manifest.name
    assert "fell from 16.00 to 0.00" in candidate.rationale
    assert {edit.path for edit in candidate.edits} >= {"artifact.toml", "demonstrations.json"}
    assert told[-1].loss == 0.0
    assert result.statistics.runs == len(evaluator.asked)


def test_the_same_context_gives_the_same_result() -> None:
    first, second = (search(known=traces())[0] for _ in range(2))
    assert first.candidates[0].bundle.digest == second.candidates[0].bundle.digest
    assert first.statistics == second.statistics


def test_dev_cases_that_are_shown_score_nothing() -> None:
    result, evaluator = search()
    prompt = read_prompt(result.candidates[0].bundle)
    shown = {json.dumps(each.input) for each in prompt.demonstrations}
    groups = {case.group for case in dev_cases() if json.dumps(case.input) in shown}
    scored = {case.group for case in dev_cases() if case.id in set(evaluator.asked)}
    assert shown
    assert groups
    assert not groups & scored


def test_a_trace_with_a_dev_cases_input_is_not_shown() -> None:
    leaking = [
        Trace(
            id=case.id,
            at="2026-01-05T09:30:00Z",
            version="v",
            input=case.input,
            feedback={"corrected_output": {"entities": [], "note": "seen"}},
        )
        for case in dev_cases()
    ]
    context = SynthesisContext(
        bundle=incumbent(), dev_cases=dev_cases(), traces=[*leaking, *traces()]
    )
    material = gather(context, OUTPUT)
    assert material.demonstrations
    assert all(each.output["note"] is None for each in material.demonstrations)


def test_a_budget_that_ends_keeps_what_was_found() -> None:
    for runs in range(14, 90, 9):
        result, evaluator = search(known=traces(), runs=runs)
        assert len(evaluator.asked) <= runs
        for candidate in result.candidates:
            assert candidate.dev_loss < result.statistics.baseline_loss


def test_a_small_budget_is_not_spent_on_first_heats() -> None:
    result, _ = search(known=traces(), runs=80)
    assert result.candidates[0].dev_loss == 0.0


def test_no_budget_no_cases_and_no_gain_are_said() -> None:
    assert "does not cover" in str(search(runs=3)[0].reason)
    assert "no dev cases" in str(search(cases=[])[0].reason)
    silent, _ = search(
        model=lambda request: '{"entities": [], "note": null}', cases=[dev_cases()[0]]
    )
    assert silent.candidates == ()
    assert "no variant" in str(silent.reason)
    right, _ = search(
        model=lambda request: '{"entities": [], "note": null}', cases=[dev_cases()[2]]
    )
    assert "passes already" in str(right.reason)


def test_a_gain_that_costs_well_formed_answers_is_not_taken() -> None:
    """Demonstrations make this model right on all cases but one, and rambling on that."""

    def model(request: ChatRequest) -> str:
        text = request.messages[-1].content
        if len(request.messages) < 3:
            return '{"entities": [{"type": "city", "value": "Nowhere"}], "note": null}'
        return "well..." if "(2)" in text else str(Pupil()(request))

    result, _ = search(incumbent(constraint="output_schema"), known=traces(), model=model)
    assert not result.candidates


def test_other_kinds_are_refused() -> None:
    context = SynthesisContext(bundle=echo_bundle(), dev_cases=[])
    tools = Tools(evaluator=PromptEvaluator(ScriptedModel(Pupil()), []), progress=lambda _: None)
    with pytest.raises(UnsupportedKindError):
        PromptSearchSynthesizer().synthesize(context, tools)


def test_bounds_are_added_where_the_author_set_none() -> None:
    schema = {
        "type": "object",
        "properties": {
            "free": {"type": "string"},
            "set": {"type": "string", "maxLength": 5},
            "choice": {"type": "string", "enum": ["a"]},
            "long": {"type": "string", "minLength": 500},
            "list": {"type": ["array", "null"], "items": {"type": "string"}},
        },
    }
    outputs = [{"free": "x" * 20, "list": ["a", "b", "c"]}]
    members = moves.bounded(schema, outputs)["properties"]
    assert members["free"]["maxLength"] == 40
    assert members["set"]["maxLength"] == 5
    assert "maxLength" not in members["choice"]
    assert members["long"]["maxLength"] == 500
    assert (members["list"]["maxItems"], members["list"]["items"]["maxLength"]) == (6, 40)
    assert "maxLength" not in schema["properties"]["free"]


def test_an_instruction_is_split_from_the_input_only_where_that_is_plain() -> None:
    long = "List the cities and the orders."
    assert moves.split((("user", f"{long}\n\n{{{{text}}}}"),)) == (
        ("system", long),
        ("user", "{{text}}"),
    )
    assert moves.split((("user", "Chat: {{text}}"),)) is None
    assert moves.split((("user", f"{long} {{{{text}}}} Be brief."),)) is None
    assert moves.split((("user", f"{long} {{{{a}}}} {{{{b}}}}"),)) is None
    assert moves.split((("system", long), ("user", "{{text}}"))) is None


def test_the_fields_of_the_output_schema_are_named() -> None:
    told = moves.named_fields(OUTPUT)
    assert "- entities[].type: one of city, order; what it is\n" in told
    assert "- entities[].value: string\n" in told


def test_an_output_is_made_of_what_a_case_expects() -> None:
    assert wanted_output({"expected": {"a": 1}}, OUTPUT) == {"a": 1}
    entities = [{"type": "city", "value": "Oslo"}]
    assert wanted_output({"entities": entities}, OUTPUT) == {"note": None, "entities": entities}
    needy = {**OUTPUT, "required": ["entities", "note", "other"]}
    assert wanted_output({"entities": entities}, needy) is None
    assert wanted_output({"rules": ["a"]}, OUTPUT) is None


def test_shapes_tell_kinds_of_outputs_apart() -> None:
    assert shape_of({"entities": [{"type": "city", "value": "Oslo"}]}) == shape_of(
        {"entities": [{"type": "city", "value": "Cork"}]}
    )
    assert shape_of({"entities": [{"type": "city", "value": "Oslo"}]}) != shape_of(
        {"entities": [{"type": "order", "value": "#1"}]}
    )


MANIFEST = """\
# mine
name = "a/b"  # the name
[model]
max_tokens = 5 # short
[limits]
wall_s = 1.0
"""


def test_a_manifest_is_edited_line_by_line_and_keeps_its_comments() -> None:
    assert with_key(MANIFEST, "model", "max_tokens", 9) == MANIFEST.replace(
        "max_tokens = 5 # short", "max_tokens = 9"
    )
    assert "[model]\nseed = 3\nmax_tokens" in with_key(MANIFEST, "model", "seed", 3)
    assert with_key(MANIFEST, "reply", "constraint", "none").endswith(
        'wall_s = 1.0\n[reply]\nconstraint = "none"\n'
    )
    assert with_key(with_key(MANIFEST, "model", "seed", 3), "model", "seed", None) == MANIFEST


@pytest.mark.parametrize("manifest", ["model = {max_tokens = 5}\n", "model.max_tokens = 5\n"])
def test_a_manifest_that_cannot_be_edited_so_is_left_alone(manifest: str) -> None:
    with pytest.raises(ValueError, match=r"model|overwrite|declare"):
        with_key(manifest, "model", "max_tokens", 9)


def test_a_variant_changes_only_what_it_says() -> None:
    bundle = incumbent()
    variant = read_variant(bundle)
    assert write_variant(bundle, variant) is bundle
    shown = Demonstration(input={"text": "x"}, output={"entities": [], "note": None})
    changed = write_variant(bundle, variant.moved("show", demonstrations=(shown,), max_tokens=65))
    assert read_prompt(changed).demonstrations == (shown,)
    assert changed.manifest.prompt.max_tokens == 65
    assert changed.manifest.prompt.seed == 7
    schema = {"type": "object"}
    held = write_variant(
        bundle, variant.moved("hold", constraint=Constraint.SCHEMA, reply_schema=schema)
    )
    assert read_prompt(held).reply_schema == schema
    assert read_prompt(held).settings.constraint is Constraint.SCHEMA
    freed = write_variant(
        held, read_variant(held).moved("free", constraint=Constraint.NONE, reply_schema=None)
    )
    assert read_prompt(freed).reply_schema is None


def scored(output: Any) -> CaseScore:
    return CaseScore(passed=False, loss=0.5, hard=False, output=output)


def test_types_that_lose_are_weighed_by_the_cases_that_name_them() -> None:
    cases = [case for case in dev_cases(6) if case.expectation["entities"]]
    right = {case.id: scored({"entities": case.expectation["entities"]}) for case in cases}
    blind = {
        case_id: scored(
            {"entities": [each for each in score.output["entities"] if each["type"] != "city"]}
        )
        for case_id, score in right.items()
    }
    assert worsening(cases, right, right) == 0.0
    assert worsening(cases, blind, right) == 0.0
    assert worsening(cases, right, blind) == 2.0  # two cases name a city
    silent = {case.id: scored(None) for case in cases}
    assert worsening(cases, right, silent) == 4.0
    assert worsening(cases[:1], {}, silent) == 0.0


def forgetful(request: ChatRequest) -> str:
    """Without demonstrations this model finds orders alone; with them it finds cities alone."""
    text = request.messages[-1].content
    found = [{"type": "city", "value": c} for c in CITIES if c in text]
    if len(request.messages) < 3:
        found = [{"type": "order", "value": v} for v in re.findall(r"#\d+", text)]
        found = found or [{"type": "city", "value": "Nowhere"}]
    return json.dumps({"entities": found, "note": None})


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        (5, "no variant within the budget lowers the dev loss"),
        (2, "every variant that gains loses one type of entity"),
    ],
)
def test_a_gain_that_loses_a_type_of_entity_is_not_handed_over(orders: int, reason: str) -> None:
    """Few orders are lost for many cities: a gain in all, which the judge would reject."""
    named = [case for case in dev_cases(36) if case.expectation["entities"]]
    by_type = {
        kind: [case for case in named if case.expectation["entities"][0]["type"] == kind]
        for kind in TYPES
    }
    cases = [*by_type["order"][:orders], *by_type["city"][:8]]
    bundle = incumbent(constraint="output_schema")
    result, _ = search(bundle, cases=cases, known=traces(), model=forgetful)
    assert result.candidates == ()
    assert result.reason == reason


def test_an_answer_that_alone_rejects_costs_more_than_a_wrong_one() -> None:
    wrong = CaseScore(passed=False, loss=1.0, hard=False)
    malformed = CaseScore(passed=False, loss=1.0, hard=True)
    assert cost([malformed, wrong]) == 3.0
    assert hard_failures([malformed, wrong]) == 1
