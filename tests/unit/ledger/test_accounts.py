import pytest

from core.money import Currency
from ledger import BURN, FIAT_BUDGET, OPERATOR_LOSS, WALLET, AccountCodeError, class_of
from ledger.accounts import ACCOUNT_CLASSES


def test_a_code_tells_its_class() -> None:
    assert WALLET.code("acme.bot") == "wallet:acme.bot"
    assert class_of("wallet:acme.bot") is WALLET
    assert class_of("fiat-budget:acme:2026-01-05") is FIAT_BUDGET
    assert class_of("burn") is BURN


@pytest.mark.parametrize(
    "code",
    ["", "purse:x", "wallet", "wallet:", "wallet:a:b", "burn:x", "burn:", "wallet: a", "Wallet:a",
     "wallet:a\n", "wallet:-a", "fiat-budget:acme", f"wallet:{'a' * 129}", "wallet:a/b"],
)  # fmt: skip
def test_other_texts_are_no_accounts(code: str) -> None:
    with pytest.raises(AccountCodeError):
        class_of(code)


def test_a_class_takes_its_own_names_only() -> None:
    with pytest.raises(AccountCodeError):
        WALLET.code("a:b")
    with pytest.raises(AccountCodeError):
        FIAT_BUDGET.code("acme")
    with pytest.raises(AccountCodeError):
        BURN.code("x")


def test_only_contra_accounts_and_the_operators_loss_have_no_floor() -> None:
    free = {name for name, kind in ACCOUNT_CLASSES.items() if kind.floor is None}
    lenders = {"overdraft", "fiat-overrun"}
    assert free == {"mint", "burn", "fiat-authority", "operator-loss"} | lenders
    assert {name for name, kind in ACCOUNT_CLASSES.items() if kind.is_lender} == lenders
    assert all(ACCOUNT_CLASSES[name].is_contra for name in lenders)
    assert not OPERATOR_LOSS.is_contra


def test_restricted_are_contra_and_fiat() -> None:
    open_classes = {name for name, kind in ACCOUNT_CLASSES.items() if not kind.is_restricted}
    assert open_classes == {"treasury", "reserve", "reward-pool", "wallet", "escrow", "bond"}
    assert all(ACCOUNT_CLASSES[name].currency is Currency.UTOK for name in open_classes)
