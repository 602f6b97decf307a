import io
import json

import click
import pytest

from api.errors import STATUS_BY_KIND
from cli.output import (
    ExitCode,
    exit_code_of,
    fail,
    parse_amount,
    plain,
    print_facts,
    print_json,
    print_table,
    say,
    tokens,
    usd,
)
from cli.remote.bulk import Terminal
from cli.remote.bulk_run import Ending
from core.errors import AemError


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("1", 1_000_000), ("12.5", 12_500_000), ("0.000001", 1), ("007", 7_000_000)],
)
def test_an_amount_is_read_exactly(text: str, amount: int) -> None:
    assert parse_amount(text, 6) == amount


@pytest.mark.parametrize(
    "text", ["", "-1", "1e3", "1.", ".5", "1,5", "1.0000001", "٣", "0x1", " 1", "1_000", "nan"]
)
def test_what_is_no_plain_number_is_no_amount(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_amount(text, 6)


@pytest.mark.parametrize(
    ("utok", "text"),
    [(None, ""), (0, "0"), (1, "0.000001"), (12_500_000, "12.5"), (-1_500_000, "-1.5")],
)
def test_an_amount_is_written_as_it_would_be_read(utok: int | None, text: str) -> None:
    assert tokens(utok) == text


def test_dollars_have_nine_decimals() -> None:
    assert usd(250_000_000) == "0.25"
    assert usd(1) == "0.000000001"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 7), (401, 3), (402, 4), (403, 3), (404, 5), (409, 6), (413, 7), (500, 8), (503, 8)],
)
def test_a_status_has_its_exit_code(status: int, code: int) -> None:
    assert exit_code_of(status) == code


@pytest.mark.parametrize("kind", STATUS_BY_KIND, ids=lambda kind: kind.__name__)
def test_no_refusal_of_the_service_ends_as_success(kind: type[AemError]) -> None:
    assert exit_code_of(STATUS_BY_KIND[kind]) not in (ExitCode.OK, ExitCode.USAGE)


def test_a_failure_is_told_to_people_and_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        fail("it is full", ExitCode.CONFLICT, as_json=True, reason="full", limit=3)
    out, err = capsys.readouterr()
    assert ended.value.code == ExitCode.CONFLICT
    assert json.loads(out) == {
        "error": "it is full",
        "exit_code": 6,
        "reason": "full",
        "limit": 3,
    }
    assert err == "aem: it is full\n"


def test_without_json_a_failure_leaves_standard_output_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        fail("it is full", ExitCode.CONFLICT)
    assert capsys.readouterr().out == ""


WORDS = ("[/bold]", "[bonus] for you", ":warning:", "fiat-budget:house:2026-11-22", "\\[x]")


@pytest.mark.parametrize("word", WORDS)
def test_a_table_shows_every_text_as_it_is(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(f"Of {word}", (f"{word} left", f">{word} right"), [(word, word)])
    out = capsys.readouterr().out
    assert f"Of {word}" in out
    assert f"{word} left" in out
    assert f"{word} right" in out
    assert out.splitlines()[-1].split() == [*word.split(), "\u2502", *word.split()]


HOSTILE = "a\x1b]0;title\x07b\x9b2Jc\rd\u202ee\x00"
ESCAPED = r"a\x1b]0;title\x07b\x9b2Jc\rd\u202ee\x00"


def test_what_a_terminal_would_obey_is_shown_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HOSTILE, ("name",), [(HOSTILE,), ("two\nlines",)])
    assert capsys.readouterr().out.splitlines() == [
        ESCAPED,
        "name".ljust(len(ESCAPED)),
        "\u2501" * len(ESCAPED),
        ESCAPED,
        r"two\nlines".ljust(len(ESCAPED)),
    ]


def test_a_fact_cannot_pass_for_another(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"state": HOSTILE, "because": "an error\nstate    settled"})
    assert capsys.readouterr().out == (
        f"state    {ESCAPED}\nbecause  an error\n         state    settled\n"
    )


def test_an_empty_table_and_a_failure_obey_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HOSTILE, ("name",), [])
    with pytest.raises(SystemExit):
        fail(HOSTILE, ExitCode.CONFLICT)
    out, err = capsys.readouterr()
    assert out == f"{ESCAPED}: none yet\n"
    assert err == f"aem: {ESCAPED}\n"


def test_text_keeps_its_lines_and_its_letters(capsys: pytest.CaptureFixture[str]) -> None:
    say("M\u00fcnchen \u6771\u4eac\n\tset in \U0001f600")
    assert capsys.readouterr().out == "M\u00fcnchen \u6771\u4eac\n\tset in \U0001f600\n"
    assert plain("bad \udcff byte") == r"bad \udcff byte"


def test_json_says_the_same_and_commands_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({HOSTILE: ["\u00fc", "\udcff"]})
    out = capsys.readouterr().out
    assert json.loads(out) == {HOSTILE: ["\u00fc", "\udcff"]}
    assert "\u00fc" in out
    assert not {"\x1b", "\x9b", "\u202e", "\udcff"} & set(out)


@pytest.mark.parametrize("word", [*WORDS, HOSTILE])
def test_the_display_of_many_orders_shows_text_as_it_is(word: str) -> None:
    terminal = Terminal(1)
    terminal.bars.console.file = io.StringIO()
    terminal.bars.console.width = 200
    terminal.tell("folder/adder", word)
    assert terminal.bars.tasks[1].description == f"adder: {plain(word)}"
    terminal.end(
        Ending(
            folder="folder/adder",
            artifact="me/adder",
            outcome="refused",
            reason=word,
            exit_code=ExitCode.BAD_INPUT,
        )
    )
    assert f"me/adder refused: {plain(word)}" in terminal.bars.console.file.getvalue()
