import ast

import pytest

from devops_agent.synthesis.history import replay, sequenced, without
from devops_agent.synthesis.source import Edit, Program, parse_module, parse_program, replacement

SOURCE = b'''"""Doc \xe2\x82\xac."""

LIMIT = 3  # \xe2\x82\xac


def run(data, context):
    return data * (1 + 2)  # kept
'''


def edit_of(old: str, new: str, source: bytes = SOURCE, path: str = "a.py") -> Edit:
    start = source.index(old.encode())
    return Edit(
        path=path,
        start=start,
        end=start + len(old.encode()),
        text=new,
        family="test",
        cost=1.0,
        line=source.count(b"\n", 0, start) + 1,
        function="",
    )


def program(source: bytes = SOURCE) -> Program:
    return parse_program({"a.py": source, "notes.txt": b"no code"})


def test_spans_count_bytes_and_leave_the_rest_alone() -> None:
    module = program().modules["a.py"]
    product = next(node for node in ast.walk(module.tree) if isinstance(node, ast.BinOp))
    assert module.text(product) == "data * (1 + 2)"
    changed = program().apply([edit_of("data *", "data +")])
    assert changed is not None
    assert changed["a.py"] == SOURCE.replace(b"data *", b"data +")


def test_edits_of_one_file_are_applied_together() -> None:
    changed = program().apply([edit_of("3", "44"), edit_of("data *", "7 *")])
    assert changed == {"a.py": SOURCE.replace(b"3", b"44").replace(b"data *", b"7 *")}


@pytest.mark.parametrize("wrong", ["data *)", "break\n    data", "(yield)\x00"])
def test_what_does_not_compile_is_no_variant(wrong: str) -> None:
    assert program().variant_key(edit_of("return data", wrong)) is None
    assert program().apply([edit_of("return data", wrong)]) is None


def test_variants_are_told_apart_by_meaning() -> None:
    key = program().variant_key(edit_of("(1 + 2)", "( 1+2 )"))
    assert key == program().variant_key(edit_of("1 + 2", "1  +  2"))
    assert key != program().variant_key(edit_of("1 + 2", "1 + 3"))


def test_a_variant_is_known_again_when_another_statement_has_changed() -> None:
    edit = edit_of("1 + 2", "1 + 3")
    longer = SOURCE.replace(b"LIMIT = 3", b"LIMIT = 3000")
    assert program().variant_key(edit) == program(longer).variant_key(
        edit_of("1 + 2", "1 + 3", longer)
    )


def test_patterns_that_do_not_compile_are_no_variants() -> None:
    source = b'import re\nP = re.compile("a+")\n'
    plain = edit_of("a+", "a(", source)
    changed = Edit(**{**vars(plain), "pattern": "a("})
    assert program(source).variant_key(plain) is not None
    assert program(source).variant_key(changed) is None


@pytest.mark.parametrize(
    ("place", "expression", "expected"),
    [
        ("1 + 2", "not data", "(not data)"),
        ("1 + 2", "len(data)", "len(data)"),
        ("data", "data or []", "(data or [])"),
    ],
)
def test_parentheses_are_put_where_the_meaning_needs_them(
    place: str, expression: str, expected: str
) -> None:
    module = program().modules["a.py"]
    node = next(
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.expr) and module.text(node) == place
    )
    assert replacement(module, node, expression) == expected


def test_what_is_no_module_is_left_alone() -> None:
    assert parse_module("a.py", b"def f(:\n") is None
    assert parse_module("a.py", b"\xff = 1\n") is None
    assert parse_module("a.py", b"x = 1\n" * 60_000) is None


def test_edits_can_be_taken_back_out_of_a_history() -> None:
    source = b"alpha beta gamma\n"
    first = edit_of("beta", "BB", source)
    middle = replay(source, [first])
    second = edit_of("gamma", "gamma delta", middle)
    third = edit_of("alpha", "a", replay(source, [first, second]))
    history = [first, second, third]
    assert replay(source, history) == b"a BB gamma delta\n"
    expected = [b"a beta gamma delta\n", b"a BB gamma\n", b"alpha BB gamma delta\n"]
    for index, text in enumerate(expected):
        lesser = without(history, index)
        assert lesser is not None
        assert replay(source, lesser) == text


def test_an_edit_that_a_later_one_builds_on_cannot_be_taken_back() -> None:
    source = b"alpha\n"
    first = edit_of("alpha", "beta", source)
    second = edit_of("beta", "gamma", b"beta\n")
    assert without([first, second], 0) is None


def test_edits_of_one_source_are_put_in_an_order_that_can_be_replayed() -> None:
    source = b"one two three\n"
    edits = [edit_of("one", "1", source), edit_of("three", "3", source)]
    assert replay(source, sequenced(edits)) == b"1 two 3\n"
