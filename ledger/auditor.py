"""The token auditor: turns a day's fiat budget into tokens (paper, sections 2.1 and 4.3)."""

from sqlalchemy.orm import Session

from core.clock import Clock
from core.money import ExchangeRate
from ledger import policy, sealing
from ledger.accounts import BURN, FIAT_AUTHORITY, MINT, TREASURY
from ledger.domain import Batch, Move
from ledger.errors import BudgetNotSetError
from ledger.policy import Budget, BudgetSetting, IssuanceDecision
from ledger.posting import Posting
from ledger.store import budgets as store
from ledger.store import journal
from ledger.store.tables import row_of


class TokenAuditor:
    """Opens days in callers' transactions; never commits."""

    def __init__(self, *, clock: Clock) -> None:
        """Keep the clock; no I/O."""
        self._clock = clock
        self._posting = Posting(clock=clock, scope="issuance")

    def open_day(self, session: Session, budget: Budget) -> IssuanceDecision:
        """Open the current day of the budget's tree, or return the decision that opened it.

        The day's fiat budget B$ is funded, and E = max(0, kappa B$ - circulating) tokens are
        minted: to the reserve up to its share, the rest to the root's treasury. So saved tokens
        cannot buy a second day's budget (Lemma 1).

        Raises:
            BudgetNotSetError: the root has no setting yet.
        """
        day = budget.day_at(self._clock.now())
        found = store.decision(session, name=budget.root, day=day)
        if found is None:
            store.lock_budget(session, budget.root)
            found = store.decision(session, name=budget.root, day=day)
        return found or self._decide(session, budget, day)

    def _decide(self, session: Session, budget: Budget, day: str) -> IssuanceDecision:
        setting = store.latest_setting(session, budget.root, effective_by=day)
        if setting is None:
            raise BudgetNotSetError(
                f"the root budget {budget.root} has no daily limit yet: set one, with a rate"
            )
        rate = ExchangeRate(utok_per_usd=setting.utok_per_usd or 0)
        # The burn account stands before these: an attempt that is admitted next in this
        # transaction locks it; one that is settled meanwhile has it, and wants the treasury.
        codes = (BURN.code(), *_fiat_sides(budget, day), *_token_sides(budget))
        reserve = journal.lock_accounts(session, codes)[budget.reserve]
        circulating_utok = store.circulating_utok(session)
        issuance = policy.issuance(
            daily_limit_nusd=setting.daily_limit_nusd,
            rate=rate,
            reserve_share_ppm=setting.reserve_share_ppm or 0,
            circulating_utok=circulating_utok,
            reserve_balance_utok=reserve.balance,
        )
        decision_id = f"{budget.root}:{day}"
        decision = IssuanceDecision(
            id=decision_id,
            budget=budget.root,
            day=day,
            daily_limit_nusd=setting.daily_limit_nusd,
            utok_per_usd=rate.utok_per_usd,
            circulating_utok=circulating_utok,
            issued_utok=issuance.issued_utok,
            reserve_utok=issuance.reserve_utok,
            transfers=self._carry_out(session, budget, day, setting, issuance),
            at=self._clock.now(),
        )
        row = row_of(decision)
        store.add_decision(session, row)
        sealing.enqueue(session, "issuance_decision", [row])
        return decision

    def _carry_out(
        self,
        session: Session,
        budget: Budget,
        day: str,
        setting: BudgetSetting,
        issuance: policy.Issuance,
    ) -> tuple[str, ...]:
        reference = f"{budget.root}:{day}"
        authority, fiat = _fiat_sides(budget, day)
        mint, treasury, reserve = _token_sides(budget)
        to_treasury_utok = issuance.issued_utok - issuance.reserve_utok
        flows = (
            (authority, fiat, setting.daily_limit_nusd),
            (mint, treasury, to_treasury_utok),
            (mint, reserve, issuance.reserve_utok),
        )
        moves = tuple(
            Move(debit=debit, credit=credit, amount=amount, kind="issuance", reference=reference)
            for debit, credit, amount in flows
            if amount
        )
        if not moves:
            return ()
        posted = self._posting.post(session, Batch(key=reference, commands=moves)).require()
        return tuple(transfer.id for transfer in posted)


def _fiat_sides(budget: Budget, day: str) -> tuple[str, str]:
    return FIAT_AUTHORITY.code(), budget.fiat_account(day)


def _token_sides(budget: Budget) -> tuple[str, str, str]:
    return MINT.code(), TREASURY.code(budget.root), budget.reserve
