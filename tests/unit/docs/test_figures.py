"""The figures in the pages are what the code computes."""

import re
from decimal import Decimal
from pathlib import Path

from api.composition import _market_settings, _terms
from api.settings import Settings
from core.money import ExchangeRate, ceil_div
from gold.permutation import level_of_try
from gold.power import conversations_needed
from market import Catalogue
from market.settings import JUDGED_CASE, SANDBOX_SECOND

DOCS = Path(__file__).parents[3] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text()


def test_levels_of_tries() -> None:
    rows = re.findall(r"^\| (\d+) \| (0\.\d+) \|$", page("judging.md"), re.MULTILINE)
    assert rows
    assert {int(number): level for number, level in rows} == {
        int(number): f"{level_of_try(int(number)):.6f}" for number, _ in rows
    }


def test_power_table() -> None:
    table = page("judging.md")
    tries = [int(number) for number in re.findall(r"try (\d+) \|", table)]
    rows = re.findall(r"^\| (\d+) % \| (\d+) % \| (.+) \|$", table, re.MULTILINE)
    assert rows
    for better, worse, cells in rows:
        shares = {"win_share": int(better) / 100, "loss_share": int(worse) / 100}
        wanted = [
            f"{conversations_needed(**shares, try_number=number)}"
            f" ({conversations_needed(**shares, try_number=number, wanted_power=0.95)})"
            for number in tries
        ]
        assert cells.split(" | ") == wanted


class TestMoney:
    """The order in figures: 3 holdout cases, both prices at their base."""

    RATE = ExchangeRate(utok_per_usd=1_000_000_000)
    PRICES = {  # noqa: RUF012 - a constant
        resource.name: resource.base_price_pusd
        for resource in _market_settings(Settings.model_construct(), Catalogue()).resources
    }

    def tokens(self, *, sandbox_ms: int, cases: int, second_pusd: int | None = None) -> Decimal:
        second_pusd = second_pusd or self.PRICES[SANDBOX_SECOND]
        pusd = sandbox_ms * ceil_div(second_pusd, 1000) + cases * self.PRICES[JUDGED_CASE]
        return Decimal(self.RATE.utok_ceil(ceil_div(pusd, 1000))) / 10**6

    def test_order_in_figures(self) -> None:
        terms = _terms(Settings.model_construct())
        fee = Decimal(terms.fee_utok) / 10**6
        judging_ms = 6 * terms.judged_case_ms
        search_ms = terms.synthesis_session_s * 1000
        maximum = fee + self.tokens(sandbox_ms=2 * judging_ms + search_ms, cases=12)
        search = self.tokens(sandbox_ms=2623, cases=0)
        judging = self.tokens(sandbox_ms=judging_ms, cases=6)
        told = dict(
            re.findall(
                r"^\| ([a-z ]+) \| ([\d.]+)",
                page("money.md"),
                re.MULTILINE,
            )
        )
        assert {step: Decimal(amount) for step, amount in told.items()} == {
            "quoted minimum": fee + self.tokens(sandbox_ms=2 * judging_ms + 5000, cases=12),
            "quoted maximum": maximum,
            "escrow": maximum,
            "search is admitted": self.tokens(sandbox_ms=search_ms, cases=0),
            "search is metered": search,
            "judging is admitted": self.tokens(sandbox_ms=judging_ms, cases=6),
            "judging is metered": judging,
            "fee": fee,
            "rest": maximum - fee - search - judging,
        }

    def test_premium(self) -> None:
        text = page("money.md")
        burn = self.tokens(sandbox_ms=554, cases=6) * 10**6
        charge = self.tokens(sandbox_ms=554, cases=6, second_pusd=100_139_500) * 10**6
        assert f"{burn:,.0f} utok" in text
        assert f"{charge:,.0f} utok" in text
        assert f"{charge - burn:.0f} utok, is the **premium**" in text
