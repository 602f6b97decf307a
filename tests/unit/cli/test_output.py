import json

import click
import pytest

from api.errors import STATUS_BY_KIND
from cli.output import ExitCode, exit_code_of, fail, parse_amount, tokens, usd
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
