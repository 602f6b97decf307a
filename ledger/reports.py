"""Reports: statements, balances at a time, and what was used and spent. They read and never write.

An instant stands for the state before it: a balance at midnight holds all that was dated before
midnight, and a period holds its beginning and not its end. So balances at the ends of periods that
meet are the same, and a statement's closing balance is the next one's opening balance.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from core.clock import Clock
from core.money import Currency
from ledger import indicators
from ledger.accounts import ACCOUNT_CLASSES, WALLET, class_of
from ledger.cursors import place_cursor, place_of
from ledger.domain import Page
from ledger.errors import ReportError
from ledger.known import require_account, require_prefix
from ledger.policy import Budget
from ledger.statements import (
    AccountBalance,
    AccountStatement,
    BudgetSpend,
    Indicators,
    TrialBalance,
    TrialLine,
    UsageSummary,
)
from ledger.store import budgets as budget_store
from ledger.store import journal, statements
from ledger.store import summaries as store
from ledger.store.summaries import USAGE_KEYS, USAGE_SUMS
from ledger.summaries import usage_by_key
from ledger.turnovers import (
    Turnover,
    class_turnovers,
    lent_utok,
    mean_money_utok,
    money_utok,
    turnovers,
)
from ledger.windows import ALWAYS, data_span

PAGE_LIMIT_ROWS = 500
"""Most lines of one answer: bounds its size and the time that it takes."""

SUMMARY_LIMIT_ROWS = 5_000
"""Most lines of a usage summary; more say little to a reader, and are refused by name."""

FIRST_DAY = "0000-01-01"
LAST_DAY = "9999-12-31"

_LONGEST_WINDOW = timedelta(days=400)
"""Windows of indicators: bounds the number of hours that are looked at."""

_USUAL_WINDOW = timedelta(days=30)
_INSTANT = timedelta(microseconds=1)
"""The shortest time that the database tells apart."""


class Reports:
    """Answers of the ledger to whoever reads it, on one state of the database each."""

    def __init__(self, *, clock: Clock) -> None:
        """Keep the clock; no I/O."""
        self._clock = clock

    def statement(
        self,
        session: Session,
        code: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT_ROWS,
    ) -> AccountStatement:
        """Return an account's statement over a period, a page of its lines at a time.

        Raises:
            AccountCodeError: the code belongs to no class of accounts.
            AccountNotFoundError: nothing ever touched the account.
            ReportError: the period ends before it begins.
            BatchError: `after` is no cursor of this list.
        """
        currency = class_of(code).currency
        require_account(session, code)
        _check_period(start, end)
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        closing = turnovers(session, end, codes=[code]).get(code, Turnover())
        opening = Turnover()
        if start is not None:
            opening = turnovers(session, start, codes=[code]).get(code, Turnover())
        lines = statements.of_account(
            session,
            code,
            after=place_of(after),
            limit=limit,
            start=start,
            end=end,
            moves_money=True,
        )
        during = closing.less(opening)
        return AccountStatement(
            account=code,
            currency=currency,
            start=start,
            end=end,
            opening=opening.balance,
            debits=during.debits,
            credits=during.credits,
            closing=closing.balance,
            lines=Page(
                items=tuple(line for _, line in lines),
                next_cursor=(
                    place_cursor(lines[-1][1].at, lines[-1][0]) if len(lines) == limit else None
                ),
            ),
        )

    def balances(
        self,
        session: Session,
        *,
        at: datetime | None = None,
        prefix: str = "",
        after: str = "",
        limit: int = PAGE_LIMIT_ROWS,
    ) -> Page[AccountBalance]:
        """Return what accounts had at a time, exactly, in the order of their codes.

        Accounts that came into being later are there too, with nothing.

        Raises:
            AccountNotFoundError: none begins with `prefix`, and it is no class of accounts either.
        """
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        found = journal.list_accounts(session, prefix=prefix, after=after, limit=limit)
        if not found and not after:
            require_prefix(session, prefix)
        sums = turnovers(session, at, codes=[account.code for account in found])
        items = []
        for account in found:
            turnover = sums.get(account.code, Turnover())
            items.append(
                AccountBalance(
                    account=account.code,
                    currency=account.currency,
                    debits=turnover.debits,
                    credits=turnover.credits,
                    balance=turnover.balance,
                    held=account.debits_held if at is None else None,
                )
            )
        is_full = len(found) == limit
        return Page(items=tuple(items), next_cursor=found[-1].code if is_full else None)

    def trial_balance(self, session: Session, *, at: datetime | None = None) -> TrialBalance:
        """Return the books at a time, by class of accounts."""
        found = class_turnovers(session, at)
        totals = {currency.value: Turnover() for currency in Currency}
        lines = []
        for prefix, kind in ACCOUNT_CLASSES.items():
            turnover = found.get(prefix, Turnover())
            currency = kind.currency
            lines.append(
                TrialLine(
                    accounts=prefix,
                    currency=currency,
                    debits=turnover.debits,
                    credits=turnover.credits,
                    balance=turnover.balance,
                )
            )
            total = totals[currency.value]
            totals[currency.value] = total.plus(turnover.debits, turnover.credits)
        return TrialBalance(
            at=at,
            lines=tuple(lines),
            totals=totals,
            is_balanced=not any(total.balance for total in totals.values()),
        )

    def usage_summary(
        self,
        session: Session,
        *,
        by: Sequence[str],
        start: str | None = None,
        end: str | None = None,
        filters: Mapping[str, str] | None = None,
    ) -> tuple[UsageSummary, ...]:
        """Return usage of the operator's days `start` up to, without, `end`, summed by keys.

        Args:
            session: the caller's transaction.
            by: some of ``day``, ``owner``, ``resource``, ``unit``, ``provider``, ``budget``.
            start: such as ``2026-01-05``; None from the beginning on.
            end: the first day that is not counted; None up to now.
            filters: values of keys that alone are counted.

        Raises:
            ReportError: an unknown key, a bad day, or more than `SUMMARY_LIMIT_ROWS` lines.
        """
        chosen = dict(filters or {})
        for key in (*by, *chosen):
            if key not in USAGE_KEYS:
                known = ", ".join(USAGE_KEYS)
                raise ReportError(f"usage is summed by {known}, and not by {key[:40]!r}")
        first, last = _days(start, end)
        keys = tuple(dict.fromkeys(by))
        found = _usage(session, keys, first, last, chosen)
        if len(found) > SUMMARY_LIMIT_ROWS:
            raise ReportError(
                f"the summary has {len(found)} lines, and {SUMMARY_LIMIT_ROWS} is the most:"
                " sum by fewer keys, or ask for fewer days"
            )
        return tuple(used.summary(keys, values) for values, used in sorted(found.items()))

    def spend(
        self, session: Session, *, start: str | None = None, end: str | None = None
    ) -> tuple[BudgetSpend, ...]:
        """Return what every budget spent in the operator's days `start` up to, without, `end`.

        Parents come before their children.

        Raises:
            ReportError: a bad day.
        """
        first, last = _days(start, end)
        own = _usage(session, ("budget",), first, last, {})
        tree = _all_budgets(session)
        below: dict[str, _Usage] = defaultdict(_Usage)
        for budget in tree:
            for name, _ in budget.lineage:
                below[name].add_all(own[budget.name,])
        return tuple(
            BudgetSpend(
                budget=budget.name,
                path=budget.path,
                own=own[budget.name,].summary(),
                subtree=below[budget.name].summary(),
            )
            for budget in tree
        )

    def indicators(
        self, session: Session, *, start: datetime | None = None, end: datetime | None = None
    ) -> Indicators:
        """Return concentration and velocity of a window.

        By default of the span that has data, of which the last 30 days; never beyond now.

        Raises:
            ReportError: the window is empty, has not begun, or is longer than 400 days.
        """
        start, end = self._window(session, start, end)
        if not timedelta(0) < end - start <= _LONGEST_WINDOW:
            raise ReportError("a window begins before now, is not empty and has at most 400 days")
        data = data_span(session, start, end)
        wallets = turnovers(session, end, prefixes=[WALLET.prefix])
        before = turnovers(session, start, prefixes=[WALLET.prefix])
        spent_utok = sum(turnover.debits for turnover in wallets.values())
        spent_utok -= sum(turnover.debits for turnover in before.values())
        mean_utok = mean_money_utok(session, start, end)
        balances = [turnover.balance for turnover in wallets.values()]
        return Indicators(
            start=start,
            end=end,
            data=data,
            wallets=len(balances),
            gini=indicators.gini(balances),
            velocity=indicators.velocity(spent_utok, mean_utok) if data else None,
            spent_utok=spent_utok,
            money_utok=money_utok(session, end),
            lent_utok=lent_utok(session, end),
            mean_money_utok=int(mean_utok),
        )

    def _window(
        self, session: Session, start: datetime | None, end: datetime | None
    ) -> tuple[datetime, datetime]:
        """Return a window whose open sides end where the data does, and none after now."""
        if end is not None:
            end = min(end, self._clock.now() + _INSTANT)  # what is dated now has happened
        if start is not None and end is not None:
            return start, end
        known = data_span(session, start or ALWAYS[0], end or ALWAYS[1])
        if end is None:
            end = known.last_at + _INSTANT if known else self._clock.now()
        if start is None:
            earliest = end - _USUAL_WINDOW
            start = max(known.first_at, earliest) if known else earliest
        return start, end


class _Usage:
    """Sums of usage by its units: quantities of different ones are never added."""

    def __init__(self) -> None:
        self.by_unit: dict[str, list[int]] = defaultdict(lambda: [0] * len(USAGE_SUMS))

    def add(self, unit: str, sums: Iterable[int]) -> None:
        held = self.by_unit[unit]
        for place, value in enumerate(sums):
            held[place] += value

    def add_all(self, other: "_Usage") -> None:
        for unit, sums in other.by_unit.items():
            self.add(unit, sums)

    def summary(self, keys: Sequence[str] = (), values: Sequence[str] = ()) -> UsageSummary:
        nothing = [0] * len(USAGE_SUMS)
        totals = map(sum, zip(nothing, *self.by_unit.values(), strict=True))
        found = UsageSummary(
            keys=dict(zip(keys, values, strict=True)),
            **dict(zip(USAGE_SUMS, totals, strict=True)),
        )
        return found if len(self.by_unit) <= 1 else replace(found, quantity=None)


def _usage(
    session: Session,
    keys: tuple[str, ...],
    start: str,
    end: str,
    filters: Mapping[str, str],
) -> dict[tuple[str, ...], _Usage]:
    """Return usage by keys: folded days, and what is not folded in yet."""
    found: dict[tuple[str, ...], _Usage] = defaultdict(_Usage)
    rows = store.usage_by(
        session, keys=("unit", *keys), start=start, end=end, filters=dict(filters)
    )
    for unit, *row in rows:
        values, sums = tuple(row[: len(keys)]), [int(value) for value in row[len(keys) :]]
        found[values].add(unit, sums)
    late = usage_by_key(session, store.used_between(session, store.folded(session), None))
    for values, added in late.items():
        fields = dict(zip(USAGE_KEYS, values, strict=True))
        if start <= fields["day"] < end and all(fields[k] == v for k, v in filters.items()):
            found[tuple(fields[key] for key in keys)].add(fields["unit"], added)
    return found


def _all_budgets(session: Session) -> list[Budget]:
    found: list[Budget] = []
    while page := budget_store.list_budgets(
        session, after=found[-1].path if found else "", limit=PAGE_LIMIT_ROWS
    ):
        found += page
    return found


def _days(start: str | None, end: str | None) -> tuple[str, str]:
    first = FIRST_DAY if start is None else _checked_day(start)
    last = LAST_DAY if end is None else _checked_day(end)
    if first > last:
        raise ReportError(f"the days from {first} up to {last} are no period")
    return first, last


def _check_period(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and start > end:
        raise ReportError("a period does not end before it begins")


def _checked_day(text: str) -> str:
    try:
        day = date.fromisoformat(text).isoformat()
    except ValueError:
        day = ""
    if day != text:
        raise ReportError(f"{text[:40]!r} is no day: write it as 2026-01-05")
    return day
