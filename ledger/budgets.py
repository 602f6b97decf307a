"""The budget tree: who may spend how much of the one daily fiat budget."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.clock import Clock
from core.money import Currency
from ledger import policy, sealing
from ledger.accounts import ESCROW, REWARD_POOL, TREASURY, WALLET, class_of
from ledger.auditor import TokenAuditor
from ledger.domain import Account, Batch, Move, Page, Transfer
from ledger.errors import (
    BudgetExistsError,
    BudgetNotFoundError,
    BudgetSettingError,
    RootExistsError,
)
from ledger.policy import Budget, BudgetAmounts, BudgetSetting, IssuanceDecision
from ledger.posting import Posting
from ledger.store import budgets as store
from ledger.store import journal, log
from ledger.store import metering as metering_store
from ledger.store.tables import row_of

PAGE_LIMIT_ROWS = 500


@dataclass(frozen=True, kw_only=True)
class BudgetState:
    """Where a budget stands.

    Attributes:
        setting: in force today; None before the first.
        next_setting: in force from the next rollover on, if one waits.
        decision: what opened today; None before the day's first use.
        fiat: today's fiat account of the tree.
        taken_nusd: what the budget and all below it take of the day, posted or held.
        left: what it may still take of the day; None before the root's first setting.
        beyond_nusd: what today's work takes above the budget's limit, which observe-only mode
            alone lets happen; the root's is lent.
        lent_utok: what was lent in tokens for this budget and all below it, and not given back.
    """

    budget: Budget
    day: str
    setting: BudgetSetting | None
    next_setting: BudgetSetting | None
    decision: IssuanceDecision | None
    treasury: Account
    reserve: Account
    fiat: Account
    taken_nusd: int
    left: "Left | None"
    beyond_nusd: int
    lent_utok: int


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a budget may still take of the day, by its own limit and all above it.

    Attributes:
        limit_of: the budget whose limit leaves the least: this one, or one above it.
    """

    amount_nusd: int
    limit_of: str


class Budgets:
    """The tree of budgets under one root, which anchors all tokens to its daily fiat budget.

    Every method works in the caller's transaction and never commits.
    """

    def __init__(self, *, clock: Clock) -> None:
        """Keep the clock; no I/O."""
        self._clock = clock
        self._posting = Posting(clock=clock, scope="budget")
        self._auditor = TokenAuditor(clock=clock)

    def define(
        self,
        session: Session,
        *,
        name: str,
        parent: str | None = None,
        time_zone: str | None = None,
    ) -> Budget:
        """Make a budget, or return the one that is there if it has the properties asked for.

        Args:
            session: the caller's transaction.
            name: ``team`` or ``team.agent``.
            parent: None for a new root, of which there is one, or one that is there.
            time_zone: of a new root, IANA name (default UTC); the others take their parent's.

        Raises:
            BudgetSettingError: a bad name or time zone, or the tree gets too deep.
            BudgetNotFoundError: there is no such parent.
            BudgetExistsError: the budget is there with another parent or time zone.
            RootExistsError: there is another root.
        """
        policy.check_budget_name(name)
        existing = store.budget(session, name)
        if existing is None and parent is None:
            log.lock_head(session)  # until the end: no two become the root at once
            existing = store.budget(session, name)
        if existing is not None:
            return _same(existing, parent=parent, time_zone=time_zone)
        if parent is None:
            self._check_new_root(session, time_zone or "UTC")
            path, zone = name, time_zone or "UTC"
        else:
            above = self.budget(session, parent)
            path, zone = f"{above.path}/{name}", above.time_zone
            if time_zone not in (None, zone):
                raise BudgetSettingError(f"{name} takes the time zone of its root, {zone}")
        if path.count("/") >= policy.MAX_DEPTH_LEVELS:
            raise BudgetSettingError(f"a budget tree has at most {policy.MAX_DEPTH_LEVELS} levels")
        budget = Budget(name=name, parent=parent, path=path, time_zone=zone, at=self._clock.now())
        if store.add_budget(session, budget):
            return budget
        found = self.budget(session, name)  # another transaction was faster
        return _same(found, parent=parent, time_zone=time_zone)

    def _check_new_root(self, session: Session, time_zone: str) -> None:
        policy.check_time_zone(time_zone)
        root = store.root_name(session)
        if root is not None:
            raise RootExistsError(
                f"{root} is the root of the budget tree: name a parent, such as {root}"
            )

    def set(
        self, session: Session, *, budget: str, amounts: BudgetAmounts, actor: str
    ) -> BudgetSetting:
        """Set a budget's limit and rate; what is None stays as it is.

        The first setting is in force at once, later ones from the next rollover on, so that no
        day's tokens are issued against two budgets. Setting what is set already changes nothing.

        Raises:
            BudgetNotFoundError: there is no such budget.
            BudgetSettingError: a first setting without a limit (the root's: without a rate), a
                rate below the root, or too many tokens a day.
        """
        found = self.budget(session, budget)
        store.lock_budget(session, budget)
        latest = store.latest_setting(session, budget)
        merged = _merged(found, latest, amounts)
        if latest is not None and latest.amounts == merged:
            return latest
        day = found.day_at(self._clock.now())
        number = latest.number + 1 if latest else 1
        setting = BudgetSetting(
            id=f"{budget}:{number}",
            budget=budget,
            number=number,
            effective_day=policy.next_day(day) if latest else day,
            actor=actor,
            at=self._clock.now(),
            **vars(merged),
        )
        row = row_of(setting)
        store.add_setting(session, row)
        sealing.enqueue(session, "budget_setting", [row])
        return setting

    def budget(self, session: Session, name: str) -> Budget:
        """Return a budget.

        Raises:
            BudgetNotFoundError: there is no such budget.
        """
        found = store.budget(session, name)
        if found is None:
            raise BudgetNotFoundError(f"there is no budget {name[:80]!r}: define it first")
        return found

    def budgets(
        self, session: Session, *, after: str = "", limit: int = PAGE_LIMIT_ROWS
    ) -> Page[Budget]:
        """Return the tree's budgets, parents before their children."""
        limit = max(1, min(limit, PAGE_LIMIT_ROWS))
        found = store.list_budgets(session, after=after, limit=limit)
        return Page(
            items=tuple(found), next_cursor=found[-1].path if len(found) == limit else None
        )

    def state(self, session: Session, name: str) -> BudgetState:
        """Return where a budget stands today, without opening the day.

        Raises:
            BudgetNotFoundError: there is no such budget.
        """
        budget = self.budget(session, name)
        day = budget.day_at(self._clock.now())
        setting = store.latest_setting(session, name, effective_by=day)
        latest = store.latest_setting(session, name)
        codes = (budget.treasury, budget.reserve, budget.fiat_account(day))
        found = journal.accounts_by_code(session, codes)
        treasury, reserve, fiat = (found.get(code, journal.new_account(code)) for code in codes)
        taken_nusd = metering_store.liability_nusd(session, day=day, path=budget.path)
        decision = store.decision(session, name=budget.root, day=day)
        return BudgetState(
            budget=budget,
            day=day,
            setting=setting,
            next_setting=latest if latest != setting else None,
            decision=decision,
            treasury=treasury,
            reserve=reserve,
            fiat=fiat,
            taken_nusd=taken_nusd,
            left=_left(session, budget, day, fiat if decision else None),
            beyond_nusd=_beyond_nusd(session, budget, day, setting, taken_nusd),
            lent_utok=metering_store.lent(session, path=budget.path, currency=Currency.UTOK),
        )

    def open_day(self, session: Session, name: str) -> IssuanceDecision:
        """Open the tree's current day, or return the decision that opened it.

        Admissions and allocations do it by themselves; see `TokenAuditor.open_day`.

        Raises:
            BudgetNotFoundError: there is no such budget.
            BudgetNotSetError: the root has no setting yet.
        """
        return self._auditor.open_day(session, self.budget(session, name))

    def allocate(
        self,
        session: Session,
        *,
        key: str,
        budget: str,
        to: str,
        amount_utok: int,
        reason: str,
    ) -> Transfer:
        """Hand tokens of a budget's treasury down: to a child's treasury, a wallet, a reward pool.

        Opens the day first. Idempotent by `key`.

        Args:
            session: the caller's transaction.
            key: idempotency key.
            budget: whose treasury pays.
            to: account code: ``treasury:<child>``, ``wallet:<owner>``, ``reward-pool:<budget>``.
            amount_utok: more than zero.
            reason: in a person's words, for the record.

        Raises:
            BudgetNotFoundError: there is no such budget.
            BudgetSettingError: `to` is no such account, or no child of the budget.
            InsufficientFundsError: the treasury does not cover it.
            TransferRejectedError: the amount is not positive.
            IdempotencyKeyReusedError: the key came before with another request.
        """
        source = self.budget(session, budget)
        self._check_receiver(session, source, to)
        self._auditor.open_day(session, source)
        move = Move(
            debit=source.treasury,
            credit=to,
            amount=amount_utok,
            kind="allocation",
            reference=budget,
            memo=reason,
        )
        batch = Batch(key=f"allocate:{key}", commands=(move,))
        return self._posting.post(session, batch).require()[0]

    def _check_receiver(self, session: Session, source: Budget, to: str) -> None:
        receiver = class_of(to)
        if receiver is TREASURY:
            child = self.budget(session, to.partition(":")[2])
            if child.parent != source.name:
                raise BudgetSettingError(f"{child.name} is no child of {source.name}")
        elif receiver is REWARD_POOL:
            self.budget(session, to.partition(":")[2])
        elif receiver is not WALLET:
            raise BudgetSettingError(
                f"a budget allocates to a child's treasury, a wallet or a reward pool, not {to}"
            )

    def refund_from_reserve(
        self, session: Session, *, key: str, budget: str, to: str, amount_utok: int, reference: str
    ) -> Transfer:
        """Give a buyer back what infrastructure made it lose, out of the tree's reserve.

        What was burned for fiat stays burned. Idempotent by `key`.

        Raises:
            BudgetNotFoundError: there is no such budget.
            BudgetSettingError: `to` is no wallet and no escrow.
            InsufficientFundsError: the reserve does not cover it.
            TransferRejectedError: the amount is not positive.
            IdempotencyKeyReusedError: the key came before with another request.
        """
        if class_of(to) not in (WALLET, ESCROW):
            raise BudgetSettingError(f"a refund goes to a wallet or an escrow, not {to}")
        move = Move(
            debit=self.budget(session, budget).reserve,
            credit=to,
            amount=amount_utok,
            kind="refund",
            reference=reference,
        )
        batch = Batch(key=f"refund:{key}", commands=(move,))
        return self._posting.post(session, batch).require()[0]


def _left(session: Session, budget: Budget, day: str, fiat: Account | None) -> Left | None:
    """Find the limit that leaves the least; `fiat` is the day's account, if the day is open."""
    found = []
    for name, path in budget.lineage:
        setting = store.latest_setting(session, name, effective_by=day)
        if name == budget.root and setting is None:
            return None
        if name == budget.root and fiat is not None:
            found.append(Left(amount_nusd=fiat.available, limit_of=name))
        elif setting is not None:
            taken_nusd = metering_store.liability_nusd(session, day=day, path=path)
            left_nusd = max(0, setting.daily_limit_nusd - taken_nusd)
            found.append(Left(amount_nusd=left_nusd, limit_of=name))
    return min(found, key=lambda left: left.amount_nusd)


def _beyond_nusd(
    session: Session, budget: Budget, day: str, setting: BudgetSetting | None, taken_nusd: int
) -> int:
    if budget.parent is None:
        lender = journal.accounts_by_code(session, [budget.overrun_account(day)])
        return -sum(account.balance for account in lender.values())
    return max(0, taken_nusd - setting.daily_limit_nusd) if setting else 0


def _same(existing: Budget, *, parent: str | None, time_zone: str | None) -> Budget:
    if parent not in (None, existing.parent) or time_zone not in (None, existing.time_zone):
        place = f"below {existing.parent}" if existing.parent else "as the root"
        raise BudgetExistsError(
            f"the budget {existing.name} is there {place}, in time zone {existing.time_zone};"
            " neither can be changed"
        )
    return existing


def _merged(budget: Budget, latest: BudgetSetting | None, asked: BudgetAmounts) -> BudgetAmounts:
    """Fill what was not asked for from the latest setting, and check the whole."""
    is_root = budget.parent is None
    if not is_root and (asked.utok_per_usd, asked.reserve_share_ppm) != (None, None):
        raise BudgetSettingError(
            f"rate and reserve belong to the root budget {budget.root}, not to {budget.name}"
        )
    first = BudgetAmounts(reserve_share_ppm=policy.DEFAULT_RESERVE_SHARE_PPM if is_root else None)
    merged = asked.or_else(latest.amounts if latest else first)
    if merged.daily_limit_nusd is None or (is_root and merged.utok_per_usd is None):
        needed = "a daily limit and a rate" if is_root else "a daily limit"
        raise BudgetSettingError(f"the first setting of {budget.name} needs {needed}")
    return merged
