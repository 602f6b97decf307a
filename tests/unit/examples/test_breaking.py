"""HumanEval's breaker, on a task of our own: what it breaks, what it asks, what it leaves out."""

import ast
import re
from pathlib import Path

import pytest
from breaking.cases import Case, NotExpressibleError, TooFewCasesError, balanced, make_cases
from breaking.faults import FAMILIES, Fault, Solution
from breaking.mutator import NoFaultError, broken, rendered
from breaking.process import fails, loads, oracle, results
from breaking.program import called_by_name, is_settled, settled, wrapped
from breaking.tasks import Task

ROOT = Path(__file__).parents[3]

PROMPT = '''
def longest_above(words: list, least: int) -> str:
    """ Return the longest word of more than `least` letters, the first of several.
    >>> longest_above(["a", "bbb", "ccc"], 1)
    'bbb'
    """
'''
BODY = """    best = ""
    for word in words:
        # Shorter ones do not count.
        if len(word) > least and len(word) > len(best):
            best = word
    return best
"""
TEST = """
def check(candidate):
    assert candidate(["abc", "de"], 1) == "abc"
    assert candidate([], 3) == ""
    assert candidate(["a", "bb", "dd"], 0) == "bb"
"""


def task(body: str = BODY, test: str = TEST, prompt: str = PROMPT, entry: str = "") -> Task:
    return Task(
        id="HumanEval/7",
        entry=entry or "longest_above",
        prompt=prompt,
        body=body,
        test=test,
    )


def one_line(expression: str, test: str) -> Task:
    return task(
        f"    return {expression}\n", f"def check(candidate):\n    {test}\n", "def f(x):\n", "f"
    )


class TestFaults:
    def faults(self, family: str, *lines: str) -> set[str]:
        """Return the broken bodies that a family makes of a function."""
        source = "def f(a, b):\n" + "".join(f"    {line}\n" for line in lines)
        function = ast.parse(source).body[0]
        assert isinstance(function, ast.FunctionDef)
        solution = Solution(source, function)
        find = next(each.find for each in FAMILIES if each.name == family)
        texts = [rendered(source, solution, fault) for fault in find(solution)]
        return {text.partition("\n")[2].rstrip("\n").replace("    ", " ") for text in texts}

    @pytest.mark.parametrize(
        ("family", "lines", "wrong"),
        [
            ("comparison_boundary", ["return a < b"], " return a <= b"),
            ("comparison_direction", ["return a == b"], " return a != b"),
            ("boolean_operator", ["return a and b"], " return a or b"),
            (
                "negated_condition",
                ["return [x for x in a if x]"],
                " return [x for x in a if not x]",
            ),
            ("missing_condition", ["return a and b"], " return b"),
            ("missing_condition", ["return [x for x in a if x]"], " return [x for x in a]"),
            ("range_bound", ["return range(a + 1)"], " return range(a)"),
            ("range_bound", ["return range(1, a)"], " return range(1, a + 1)"),
            ("index_bound", ["return a[-1]"], " return a[-2]"),
            ("index_bound", ["return a[1:b]"], " return a[1:]"),
            ("arithmetic_operator", ["return a % b"], " return a // b"),
            ("division", ["return a / b"], " return a // b"),
            ("missing_adjustment", ["return (a + 1) * b"], " return a * b"),
            ("wrong_constant", ["return 'ab'"], " return 'a'"),
            ("wrong_variable", ["return a + a"], " return b + a"),
            ("initial_value", ["n = 0", "n = n + a", "return n"], " n = 1\n n = n + a\n return n"),
            ("swapped_operands", ["return f(a, b)"], " return f(b, a)"),
            ("wrong_method", ["return a.lower()"], " return a.upper()"),
            ("missing_call", ["return len(set(a))"], " return len(a)"),
            ("sort_order", ["return sorted(a)"], " return sorted(a, reverse=True)"),
            ("deleted_statement", ["a.sort()", "return a"], " return a"),
            ("deleted_statement", ["for x in a:", "    b.add(x)"], " for x in a:\n  pass"),
            ("missing_guard", ["if not a:", "    return 0", "return b"], " return b"),
            ("missing_guard", ["if a:", "    b += 1", "return b"], " b += 1\n return b"),
            ("wrong_return", ["return a + b"], " a + b"),
            (
                "wrong_return",
                ["for x in a:", "    b += x", "return b"],
                " for x in a:\n  b += x\n  return b",
            ),
            (
                "wrong_branch",
                ["if a:", "    b = 1", "else:", "    b = 2", "return b"],
                " if a:\n  b = 2\n else:\n  b = 1\n return b",
            ),
            ("augmented_assignment", ["b += a", "return b"], " b = a\n return b"),
        ],
        ids=lambda value: value if isinstance(value, str) and " " not in value else "",
    )
    def test_a_family_makes_its_fault(self, family: str, lines: list[str], wrong: str) -> None:
        assert wrong in self.faults(family, *lines)

    def test_every_family_has_such_an_example(self) -> None:
        marks = type(self).test_a_family_makes_its_fault.pytestmark  # type: ignore[attr-defined]
        assert {case[0] for case in marks[0].args[1]} == {family.name for family in FAMILIES}

    def test_the_page_states_the_weights(self) -> None:
        page = (ROOT / "docs" / "humaneval.md").read_text("utf-8")
        faults = page.partition("## The cases")[0]  # what follows has counts by family
        rows = re.findall(r"^\| `([a-z_]+)` \| (\d+) \|", faults, re.MULTILINE)
        assert dict(rows) == {family.name: str(family.weight) for family in FAMILIES}

    def test_what_is_not_broken_keeps_its_look(self) -> None:
        source = task().source
        solution = Solution(source, task().function)
        test = next(node.test for node in solution.all(ast.If))
        fault = Fault(old=(test,), new=ast.Constant(value=True))
        lines = rendered(source, solution, fault).splitlines()
        changed = [
            (old.strip(), new.strip())
            for old, new in zip(source.splitlines(), lines, strict=True)
            if old != new
        ]
        assert changed == [("if len(word) > least and len(word) > len(best):", "if True:")]


def parts(made: list[Case]) -> tuple[list[Case], list[Case]]:
    return made[:34], made[34:]


def test_a_mutant_loads_and_fails_in_both_parts_and_is_the_same_for_its_seed() -> None:
    dev, holdout = parts(make_cases(task(), least=85, most=85, seed=1))
    for seed in range(4):
        mutant = broken(task(), dev=dev, holdout=holdout, seed=seed)
        source = wrapped(task(), mutant.source)
        assert loads(source)
        for part in (dev, holdout):
            answers = results(source, [case.input for case in part])
            assert [a.output for a in answers] != [case.expected for case in part]
        assert mutant == broken(task(), dev=dev, holdout=holdout, seed=seed)
        assert mutant.before != mutant.after
    seeds = {broken(task(), dev=dev, holdout=holdout, seed=seed).source for seed in range(4)}
    assert len(seeds) > 1


def test_a_fault_that_no_held_out_case_sees_does_not_count() -> None:
    dev, _ = parts(make_cases(task(), least=85, most=85, seed=1))
    blind = [Case(input={"words": [], "least": 10**6}, expected="")]
    mutant_or_none = None
    try:
        mutant_or_none = broken(task(), dev=dev, holdout=blind, seed=1)
    except NoFaultError:
        return
    answers = results(wrapped(task(), mutant_or_none.source), [blind[0].input])
    assert not answers or answers[0].output != ""


class TestCases:
    def test_they_are_different_and_right_and_the_same_for_a_seed(self) -> None:
        made = make_cases(task(), least=85, most=91, seed=1)
        assert len(made) == 91
        assert made[0] == Case(input={"words": ["abc", "de"], "least": 1}, expected="abc")
        texts = {str(case.input).casefold().replace(" ", "") for case in made}
        assert len(texts) == len(made)
        again = oracle(called_by_name(task()), [case.input for case in made])
        assert [result.output for result in again] == [case.expected for case in made]
        assert made == make_cases(task(), least=85, most=91, seed=1)
        assert made != make_cases(task(), least=85, most=91, seed=2)

    def test_they_have_the_types_of_the_examples(self) -> None:
        for case in make_cases(task(), least=85, most=91, seed=1):
            assert isinstance(case.input["least"], int)
            assert {type(word) for word in case.input["words"]} <= {str}

    def test_answers_are_taken_in_turns(self) -> None:
        common = [Case(input={"x": n}, expected=False) for n in range(10)]
        rare = [Case(input={"x": n}, expected=True) for n in range(10, 13)]
        chosen = balanced([*common, *rare], 7)
        assert [case.expected for case in chosen].count(True) == 3
        assert balanced(common, 4) == common[:4]

    @pytest.mark.parametrize(
        ("expression", "argument", "reason"),
        [
            ("(x, x)", "1", "tuple"),
            ("x", "(1, 2)", "tuple"),
            ("{x: x}", "1", "a key of type int"),
            ("{x}", "1", "set"),
            ("x / 1e-320 * 1e300", "1.0", "not finite"),
        ],
    )
    def test_what_json_cannot_express_is_named(
        self, expression: str, argument: str, reason: str
    ) -> None:
        odd = one_line(expression, f"candidate({argument})")
        with pytest.raises(NotExpressibleError, match=reason):
            make_cases(odd, least=85, most=85, seed=1)

    def test_a_task_with_few_inputs_is_left_out(self) -> None:
        growing = one_line("2 ** (x * 6)", "assert candidate(1) == 64 and candidate(2)")
        with pytest.raises(TooFewCasesError, match="64 bits"):
            make_cases(growing, least=85, most=85, seed=1)

    def test_an_answer_that_changes_with_the_hash_seed_is_no_case(self) -> None:
        unordered = one_line(
            "list(set(x))", "assert candidate(['ab', 'cd', 'ef', 'gh']) and not candidate([])"
        )
        for case in make_cases(unordered, least=5, most=20, seed=1):
            assert len(case.expected) <= 2


class TestProcess:
    @pytest.mark.parametrize(
        "body", ["while True: pass", "return 1 / 0", "return [0] * 10**10", "return {1}"]
    )
    def test_a_mutant_that_does_not_answer_fails(self, body: str) -> None:
        source = f"def run(input, context):\n    {body}\n"
        assert loads(source)
        assert fails(source, [{}], [0])

    def test_types_count(self) -> None:
        source = "def run(input, context):\n    return True\n"
        assert fails(source, [{}], [1])
        assert not fails(source, [{}], [True])

    def test_a_program_that_cannot_be_loaded_is_none(self) -> None:
        assert not loads("def run(input, context):\n    return 1\nraise ValueError\n")

    def test_what_it_prints_is_no_answer(self) -> None:
        source = "print('{}')\ndef run(input, context):\n    print(1)\n    return 2\n"
        assert not fails(source, [{}], [2])


class TestFloats:
    def test_another_way_to_a_number_gives_the_same(self) -> None:
        assert settled(0.1 + 0.2) == settled(0.3) == 0.3
        assert settled([1, 2.0, "x", [1e-300]]) == [1, 2.0, "x", [1e-300]]

    @pytest.mark.parametrize("exact", [0.123456785, 4e-17, [1.0, 1e-9]])
    def test_no_case_asks_for_what_rounding_could_change(self, exact: object) -> None:
        assert not is_settled(exact, settled(exact))

    @pytest.mark.parametrize("exact", [0.0, 0.3, 2 / 3, 7, "x", [True, 1e6]])
    def test_other_answers_may_be_asked_for(self, exact: object) -> None:
        assert is_settled(exact, settled(exact))


def test_the_breaker_knows_nothing_of_the_repairer() -> None:
    folder = ROOT / "examples" / "humaneval-repair"
    allowed = {"aem.artifact", "aem.proof", "gold"}
    ours = {"breaking", "corpus"}
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in filter(None, names):
                top = name.partition(".")[0]
                is_house = (ROOT / top).is_dir() or top == "aem"
                assert not is_house or name in allowed or top in ours, f"{path.name}: {name}"
