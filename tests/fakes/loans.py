"""What observe-only mode lent, read from the accounts that lend; audits must say the same."""

from tests.fakes.bank import Bank

OVERRUN = "fiat-overrun:acme:2026-01-05"
OVERDRAFT = "overdraft:acme.bot"


def lent(bank: Bank) -> tuple[int, int]:
    """What is lent in tokens and in fiat, from the accounts that lend."""
    return -bank.balance(OVERDRAFT), -bank.balance(OVERRUN)


def check_loans(bank: Bank) -> None:
    """Nobody is below zero, all audits agree, and the export says the same without us."""
    with bank.database.reading() as session:
        accounts = bank.ledger.accounts(session).items
    assert all(account.available >= 0 for account in accounts if account.floor == 0)
    report = bank.verify()
    assert report.verified, report.to_json()
    utok, nusd = lent(bank)
    assert report.identity.figures["lent_utok"] == utok
    assert report.fiat.figures["lent_nusd"] == nusd
