"""Names and texts that two other tools must take, and from which ours come back."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Currency
from ledger.accounts import ACCOUNT_CLASSES
from ledger.formats.journal import amount_text
from ledger.formats.names import code_of, name_of
from ledger.formats.texts import plain

NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,40}\Z")
BEANCOUNT_NAME = re.compile(r"(Assets|Equity|Liabilities|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")


@given(st.sampled_from(sorted(ACCOUNT_CLASSES)), st.lists(NAMES, min_size=2, max_size=2))
def test_every_code_has_a_name_of_its_own(prefix: str, names: list[str]) -> None:
    code = ":".join((prefix, *names[: ACCOUNT_CLASSES[prefix].names]))
    name = name_of(code)
    assert BEANCOUNT_NAME.fullmatch(name)
    assert code_of(name) == code


def test_names_that_look_alike_stay_apart() -> None:
    names = ["acme", "Acme", "a-cme", "a.cme", "a_cme", "x-cAcme", "X-cAcme", "x-acme", "0acme"]
    assert len({name_of(f"wallet:{name}") for name in names}) == len(names)
    assert name_of("wallet:acme.bot") == "Liabilities:Wallet:Acme-pbot"


def test_what_is_no_account_is_refused() -> None:
    with pytest.raises(ValueError, match="no account"):
        code_of("Assets:Cash:Acme")


@given(st.text())
def test_a_text_comes_back_and_has_no_syntax(text: str) -> None:
    written = plain(text)
    assert json.loads(f'"{written}"') == text
    assert not set(written) & set(';:,[]{}"\n\r\t|*^~%&`<>')
    assert "  " not in written or "  " in text


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (-12_500_000, Currency.UTOK, "-12.500000 TOK"),
        (1, Currency.NUSD, "0.000000001 USD"),
        (-1, Currency.UTOK, "-0.000001 TOK"),
        (2**63 - 1, Currency.NUSD, "9223372036.854775807 USD"),
        (0, Currency.UTOK, "0.000000 TOK"),
    ],
)
def test_amounts_are_exact(amount: int, currency: Currency, text: str) -> None:
    assert amount_text(amount, currency) == text
