"""What must be true of the money of every order that has ended."""

from typing import Any

from core.principals import Principal, Role
from tests.fakes.running_service import TEAM, WALLET, RunningService

AUDITOR = Principal(id="test", role=Role.AUDITOR)


class OrderBooks:
    """Compares the books before and after orders, to the micro-token."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._before = self._balances()

    def close(self, order: dict[str, Any]) -> dict[str, int]:
        """Check what is true however an order ended; return what each account gained by it."""
        service = self._service
        with service.parts.database.reading() as session:
            money = service.parts.orders.get(session, AUDITOR, order["id"]).money
        assert money.escrowed_utok == money.fee_utok + money.metered_utok + money.returned_utok
        assert order["price_utok"] + order["refunded_utok"] == order["escrowed_utok"]
        assert service.balance(f"escrow:{order['id']}") == 0
        assert service.held() == 0
        assert service.operator.verify_audit()["verified"]
        after = self._balances()
        gained = {code: after[code] - self._before[code] for code in after}
        self._before = after
        assert gained["wallet"] == -order["price_utok"]
        assert sum(gained.values()) == 0, "tokens came from nowhere, or went there"
        return gained

    def close_nothing(self) -> None:
        """Begin anew from what the books say now."""
        self._before = self._balances()

    def _balances(self) -> dict[str, int]:
        codes = {
            "wallet": f"wallet:{WALLET}",
            "treasury": f"treasury:{TEAM}",
            "reserve": f"reserve:{TEAM}",
            "burned": "burn",
        }
        return {name: self._service.balance(code) for name, code in codes.items()}
