"""Each family proposes the change that mends a fault of its kind, and little that is no Python."""

import pytest

from devops_agent.synthesis.edits.catalogue import Catalogue
from devops_agent.synthesis.edits.completion import guarded
from devops_agent.synthesis.edits.patterns import class_items, shapes, tokenize_pattern
from devops_agent.synthesis.edits.site import Vocabulary
from devops_agent.synthesis.source import Edit, parse_program, splice
from tests.fakes.faulty_extractors import SOURCE

VOCABULARY = Vocabulary(
    words=("phone", "order"),
    neighbours=("USD",),
    results=("0", "[]"),
    samples={"order": ("ORD-123456", "ORD-777777")},
)


def proposed(source: str, vocabulary: Vocabulary = VOCABULARY) -> dict[str, Edit]:
    program = parse_program({"a.py": source.encode()})
    return {
        splice(source.encode(), [edit]).decode(): edit
        for edit in Catalogue(vocabulary).edits(program)
    }


def function(*lines: str) -> str:
    return "def run(data, limit):\n" + "".join(f"    {line}\n" for line in lines)


REPAIRS = {
    "comparison": (["return data < limit"], ["return data <= limit"]),
    "boolean": (["return data and limit"], ["return data or limit"]),
    "negation": (["if not data:", "    return 1"], ["if data:", "    return 1"]),
    "arithmetic": (["return data - limit"], ["return data + limit"]),
    "grouping": (["return data + limit * 2"], ["return (data + limit) * 2"]),
    "swapped operands": (["return data % (2 * limit)"], ["return (2 * limit) % data"]),
    "assignment": (["x = 0", "x = data"], ["x = 0", "x += data"]),
    "number": (["return data + 1"], ["return data + 2"]),
    "flag": (["return False"], ["return True"]),
    "word": (["return data['x']"], ["return data['phone']"]),
    "alphabet": (["return data in 'aeio'"], ["return data in 'aeiou'"]),
    "name": (["return data"], ["return limit"]),
    "method": (["return data.lower()"], ["return data.upper()"]),
    "function": (["return min(data)"], ["return max(data)"]),
    "arguments": (["return pow(data, limit)"], ["return pow(limit, data)"]),
    "wrap": (["return data"], ["return sorted(data)"]),
    "unwrap": (["return sorted(data)"], ["return data"]),
    "reverse": (["return sorted(data)"], ["return sorted(data, reverse=True)"]),
    "key": (["return sorted(data)"], ["return sorted(data, key=len)"]),
    "index": (["return data[limit]"], ["return data[limit - 1]"]),
    "indices": (["return data[0][limit]"], ["return data[limit][0]"]),
    "slice": (["return data[1:]"], ["return data"]),
    "range": (["return range(limit)"], ["return range(1, limit + 1)"]),
    "strengthened": (
        ["if data:", "    return 1"],
        ["if data and data == limit:", "    return 1"],
    ),
    "filter": (["return [x for x in data]"], ["return [x for x in data if x != limit]"]),
    "dropped filter": (["return [x for x in data if x]"], ["return [x for x in data ]"]),
    "branches": (["return 1 if data else 2"], ["return 2 if data else 1"]),
    "deleted": (["x = data", "x = 0", "return x"], ["x = data", "return x"]),
    "exchanged": (["x = data", "y = x", "return y"], ["y = x", "x = data", "return y"]),
    "pushed out": (
        ["for x in data:", "    print(x)", "    return x"],
        ["for x in data:", "    print(x)", "return x"],
    ),
    "pulled in": (
        ["for x in data:", "    print(x)", "x = 1", "return x"],
        ["for x in data:", "    print(x)", "    x = 1", "return x"],
    ),
    "unwrapped condition": (["if data:", "    limit = 1"], ["limit = 1"]),
    "exit": (["for x in data:", "    break"], ["for x in data:", "    continue"]),
    "inserted": (
        ["n = 0", "for x in data:", "    print(x)", "return n"],
        ["n = 0", "for x in data:", "    n += 1", "    print(x)", "return n"],
    ),
    "guard": (
        ["return data / limit"],
        ["if limit == 0:", "    return 0", "return data / limit"],
    ),
    "adapted copy": (
        ["a = data[0]", "b = data[1]", "a.sort()", "return a + b"],
        ["a = data[0]", "b = data[1]", "a.sort()", "b.sort()", "return a + b"],
    ),
    "unbound": (
        ["for x in data:", "    total += x", "return total"],
        ["total = 0", "for x in data:", "    total += x", "return total"],
    ),
    "all matches": (
        ["found = []", "m = P.search(data)", "if m:", "    found.append(m)", "return found"],
        ["found = []", "for m in P.finditer(data):", "    found.append(m)", "return found"],
    ),
    "all elements": (
        ["return data[-1]['text']"],
        [r"return '\n'.join(item['text'] for item in data)"],
    ),
    "repeats": (
        ["for x in data:", "    limit.append(x)"],
        ["for x in data:", "    if x not in limit:", "        limit.append(x)"],
    ),
    "default": (["return data or None"], ["return data or []"]),
    "format": (['return f"{data}-{limit}"'], ['return f"{limit}-{data}"']),
    "forgotten return": (["sum(x for x in data)"], ["return sum(x for x in data)"]),
    "dropped value": (["data.lower()", "return data"], ["data = data.lower()", "return data"]),
    "divisor": (
        ["n = len(data)", "m = len(limit)", "return n == int(n / m)"],
        ["n = len(data)", "m = len(limit)", "return (n / m) == int(n / m)"],
    ),
    "distinct": (["return len(data)"], ["return len(set(data))"]),
    "joined": (["return 'x' + data + limit"], ["return 'x' + data + str(limit)"]),
    "condition": (
        ["n = []", "for x in data:", "    n.append(x)", "return n"],
        ["n = []", "for x in data:", "    if x.isdigit():", "        n.append(x)", "return n"],
    ),
    "component": (["x = data[0]", "return x + limit"], ["x = data[0]", "return x + data[0]"]),
}


@pytest.mark.parametrize("name", REPAIRS)
def test_the_catalogue_mends_the_fault(name: str) -> None:
    wrong, right = REPAIRS[name]
    assert function(*right) in proposed(function(*wrong))


PATTERNS = {
    "quantifier": (r"\d{3}", r"\d{3,4}"),
    "optional": (r"a-b", r"a-?b"),
    "separator": (r"\d-\d", r"\d[-.\s]?\d"),
    "class": (r"[a-z]+", r"[a-zA-Z]+"),
    "class with hyphen": (r"[\w-]+", r"[\w.-]+"),
    "dot": (r"a.b", r"a\.b"),
    "boundary": (r"\d+", r"\b\d+"),
    "lookahead": (r"\d+", r"\d+(?!\d)"),
    "prefix": (r"\d+", r"(?:\+\d{1,3}[-.\s]?)?\d+"),
    "optional run": (r"\d+\.\d\d", r"\d+(?:\.\d\d)?"),
    "everywhere": (r"\d[.]\d[.]\d", r"\d[./]\d[./]\d"),
    "neighbour": (r"\d+ (?:EUR)", r"\d+ (?:EUR|USD)"),
    "shape": (r"T-\d+", r"(?:T-\d+|ORD\-\d{6})"),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_the_catalogue_mends_the_pattern(name: str) -> None:
    wrong, right = PATTERNS[name]
    vocabulary = Vocabulary(neighbours=("USD",), samples={"order": ("ORD-123456", "ORD-777777")})
    template = 'import re\nP = re.compile(r"{}")\n'
    assert template.format(right) in proposed(template.format(wrong), vocabulary)


def test_patterns_ignore_case_by_a_flag() -> None:
    source = 'import re\nP = re.compile("[a-z]")\n'
    assert source.replace('")', '", flags=re.IGNORECASE)') in proposed(source)


def test_formatted_patterns_and_adjacent_literals_are_edited_in_place() -> None:
    source = 'import re\nN = r"x"\nP = re.compile(\n    rf"\\d{{2}}{N}"  # why\n    r"-[a-z]"\n)\n'
    found = proposed(source)
    assert source.replace("{{2}}", "{{2,3}}") in found
    assert source.replace("[a-z]", "[a-zA-Z]") in found


def test_an_import_that_is_missing_is_added_below_the_docstring() -> None:
    source = '"""Doc."""\n\n\ndef run(data, context):\n    return math.floor(data)\n'
    assert source.replace("def run", "import math\ndef run") in proposed(source)


def test_partial_repairs_are_completed_by_conditions() -> None:
    source = function("return data")
    program = parse_program({"a.py": source.encode()})
    edit = proposed(source)[function("return abs(data)")]
    texts = {splice(source.encode(), [each]).decode() for each in guarded(program, edit)}
    assert function("return abs(data) if data < limit else data") in texts or (
        function("return abs(data) if data == limit else data") in texts
    )


def test_a_sample_of_a_single_kind_is_never_taken_over_verbatim() -> None:
    source = 'import re\nP = re.compile(r"T-\\d+")\n'
    secret = "the answer is 42"
    texts = proposed(source, Vocabulary(samples={"a": (secret,)}))
    assert texts
    assert not any(secret in text.replace("\\", "") for text in texts)


def test_nearly_everything_that_is_proposed_compiles() -> None:
    program = parse_program({"a.py": SOURCE.encode()})
    edits = Catalogue(VOCABULARY).edits(program)
    refused = [edit for edit in edits if program.variant_key(edit) is None]
    assert len(edits) > 5_000
    assert len(refused) < 0.05 * len(edits)


def test_modules_that_stay_as_they_were_are_not_read_again() -> None:
    program = parse_program({"a.py": b"x = 1\n", "b.py": b"y = 2\n"})
    catalogue = Catalogue(Vocabulary())
    before = catalogue.edits(program)
    after = catalogue.edits(program.with_files({"b.py": b"y = 3\n"}))
    assert all(any(edit is other for other in before) for edit in after if edit.path == "a.py")


@pytest.mark.parametrize(
    "pattern", [r"(?P<a>x|y)+?", r"[^]\]a-z-]{2,}", r"\b\d{1,3}(?:,\d{3})*(?!\w)", r"a\\(b)\1"]
)
def test_tokens_cover_a_pattern_without_gaps(pattern: str) -> None:
    tokens = tokenize_pattern(pattern)
    assert tokens
    assert "".join(token.text + token.quantifier for token in tokens) == pattern


def test_what_is_no_pattern_has_no_tokens() -> None:
    assert tokenize_pattern("(") is None
    assert tokenize_pattern("a" * 1_001) is None


def test_class_items() -> None:
    assert list(class_items(r"[^\w.a-z-]")) == [r"\w", ".", "a-z", "-"]


def test_shapes_are_general() -> None:
    assert list(shapes(["ORD-123456", "ORD-98765", "x1"])) == [r"ORD\-\d{5,6}"]
    assert list(shapes(["AB 12", "CDE 34"])) == [r"[A-Z]{2,3}\s+\d{2}"]
    assert list(shapes(["one sample"])) == []
