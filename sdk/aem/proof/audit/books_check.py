"""The second statement of an audit: balances rebuilt from the transfers are the stored ones."""

from collections.abc import Iterable, Mapping
from typing import Any

from aem.proof.audit.chart import AccountKind, kind_of
from aem.proof.audit.findings import Finding, FirstBad


class Sums:
    """An account's sums as the transfers make them, in its smallest unit."""

    __slots__ = ("credits_held", "credits_posted", "debits_held", "debits_posted", "floor", "kind")

    def __init__(self, kind: AccountKind | None) -> None:
        """Start with nothing."""
        self.kind = kind
        self.floor = kind.floor if kind else None
        self.credits_posted = self.debits_posted = self.debits_held = self.credits_held = 0

    def row(self, code: str) -> dict[str, Any]:
        """Return the account as it should be stored."""
        return {
            "code": code,
            "currency": self.kind.currency.value if self.kind else None,
            "floor": self.floor,
            "credits_posted": self.credits_posted,
            "debits_posted": self.debits_posted,
            "debits_held": self.debits_held,
            "credits_held": self.credits_held,
        }

    @property
    def is_used(self) -> bool:
        """Whether anything was ever moved or is held."""
        return bool(
            self.credits_posted or self.debits_posted or self.debits_held or self.credits_held
        )


class BooksCheck:
    """Balances rebuilt from the journal equal the stored ones, and none was ever overdrawn."""

    def __init__(self) -> None:
        """Start with empty books."""
        self.sums: dict[str, Sums] = {}
        self.transfers = 0
        self._holds: dict[str, Mapping[str, Any]] = {}
        self._bad = FirstBad()

    def add(self, row: Mapping[str, Any], number: int) -> None:
        """Take the next transfer, the log's record `number`.

        Raises:
            TypeError, KeyError, AttributeError: it cannot be read as a transfer.
        """
        self.transfers += 1
        phase, amount = row["phase"], row["amount"]
        if type(amount) is not int:
            raise TypeError("an amount is an integer")
        sums, debit, credit = self.sums, row["debit"], row["credit"]
        payer = sums.get(debit) or self._account(debit)
        payee = sums.get(credit) or self._account(credit)
        if phase == "posted":
            payer.debits_posted += amount
            payee.credits_posted += amount
        elif phase == "hold":
            self._holds[row["id"]] = row
            payer.debits_held += amount
            payee.credits_held += amount
        elif phase in ("post", "void", "expire"):
            self._settle(row, payer, payee, number)
        else:
            raise KeyError(phase)
        floor = payer.floor
        if (
            floor is not None
            and payer.credits_posted - payer.debits_posted - payer.debits_held < floor
        ):
            self._bad.blame("transfer", row["id"], f"overdraws {row['debit']}", number=number)
        if amount <= 0:
            self._bad.blame("transfer", row["id"], "moves nothing, or backwards", number=number)

    def blame(self, record_id: str, number: int) -> None:
        """Name a transfer that cannot be read."""
        self._bad.blame("transfer", record_id, "cannot be read as a transfer", number=number)

    def finish(
        self, accounts: Iterable[Mapping[str, Any]], open_holds: Iterable[Mapping[str, Any]]
    ) -> Finding:
        """Compare with the stored accounts and open holds."""
        missing = {code for code, sums in self.sums.items() if sums.is_used}
        count = 0
        for row in accounts:
            count += 1
            missing.discard(row["code"])
            self._compare(row)
        for code in sorted(missing):
            self._bad.blame("account", code, "is missing")
        self._compare_holds(open_holds)
        figures = {"transfers": self.transfers, "accounts": count, "open_holds": len(self._holds)}
        return Finding(figures=figures, first_bad=self._bad.record)

    def money_utok(self) -> int:
        """Return M: the sum of all rebuilt token balances but the contra ones."""
        return sum(
            sums.credits_posted - sums.debits_posted
            for sums in self.sums.values()
            if sums.kind is not None and sums.kind.is_money
        )

    def _account(self, code: str) -> Sums:
        found = self.sums.get(code)
        if found is None:
            found = self.sums[code] = Sums(kind_of(code))
        return found

    def _settle(self, row: Mapping[str, Any], payer: Sums, payee: Sums, number: int) -> None:
        hold = self._holds.pop(row["hold_id"], None)
        if hold is None:
            self._bad.blame("transfer", row["id"], "settles no open hold", number=number)
            return
        if (hold["debit"], hold["credit"]) != (row["debit"], row["credit"]):
            why = "settles a hold of other accounts"
            self._bad.blame("transfer", row["id"], why, number=number)
        if row["amount"] > hold["amount"]:
            self._bad.blame("transfer", row["id"], "exceeds its hold", number=number)
        self._account(hold["debit"]).debits_held -= hold["amount"]
        self._account(hold["credit"]).credits_held -= hold["amount"]
        if row["phase"] == "post":
            payer.debits_posted += row["amount"]
            payee.credits_posted += row["amount"]

    def _compare(self, row: Mapping[str, Any]) -> None:
        code = row["code"]
        sums = self.sums.get(code) or Sums(kind_of(code))
        if sums.kind is None:
            self._bad.blame("account", code, "belongs to no class of accounts")
            return
        rebuilt = sums.row(code)
        wrong = [name for name, value in rebuilt.items() if row[name] != value]
        if wrong:
            pairs = ", ".join(f"{name} {row[name]} (rebuilt {rebuilt[name]})" for name in wrong)
            self._bad.blame("account", code, f"is stored with {pairs}")

    def _compare_holds(self, open_holds: Iterable[Mapping[str, Any]]) -> None:
        missing = set(self._holds)
        for row in open_holds:
            rebuilt = self._holds.get(row["id"])
            missing.discard(row["id"])
            if rebuilt is None or any(rebuilt[name] != row[name] for name in row):
                why = "is stored as open otherwise than the journal says"
                self._bad.blame("hold", row["id"], why)
        for hold_id in sorted(missing):
            self._bad.blame("hold", hold_id, "is open in the journal, and not stored so")
