"""The ledger's reports, for operators and auditors."""

from collections.abc import Iterator
from typing import Any

from aem.client.connection import Connection

Json = dict[str, Any]

EXPORT_SILENCE_S = 300.0
"""A Parquet file is complete before its first byte is sent."""


class Reports:
    """What the ledger can be asked. Instants are RFC 3339 texts or days, in UTC unless they say.

    A period holds its beginning (`start`) and not its end. Every method may raise what those of
    `Client` may.
    """

    def __init__(self, connection: Connection) -> None:
        """Share the client's connection."""
        self._connection = connection

    def statement(
        self,
        account: str,
        *,
        start: str | None = None,
        end: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Json:
        """Return an account's statement over a period, a page of its lines at a time."""
        period = {"from": start, "to": end}
        return self._get(f"accounts/{account}/statement", **period, cursor=cursor, limit=limit)

    def balances(
        self,
        *,
        at: str | None = None,
        prefix: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Json:
        """Return what accounts had at a time, a page at a time."""
        return self._get("balances", at=at, prefix=prefix, cursor=cursor, limit=limit)

    def trial_balance(self, *, at: str | None = None) -> Json:
        """Return the books at a time by class of accounts."""
        return self._get("trial-balance", at=at)

    def usage_summary(
        self, *, by: str, start: str | None = None, end: str | None = None, **filters: str | None
    ) -> Json:
        """Return usage of the operator's days, summed by keys such as ``day,provider``.

        `filters`: values of ``owner``, ``resource``, ``provider``, ``budget`` that alone count.
        """
        return self._get("usage/summary", by=by, **{"from": start, "to": end}, **filters)

    def spend(self, *, start: str | None = None, end: str | None = None) -> Json:
        """Return what each budget spent in the operator's days, alone and with all below it."""
        return self._get("spend", **{"from": start, "to": end})

    def indicators(self, *, start: str | None = None, end: str | None = None) -> Json:
        """Return the concentration of wallets and the velocity of tokens in a window."""
        return self._get("indicators", **{"from": start, "to": end})

    def export(
        self, format_name: str, *, start: str | None = None, end: str | None = None
    ) -> Iterator[bytes]:
        """Stream the journal of a period as ``beancount``, ``hledger``, ``csv`` or ``parquet``."""
        query = {"format": format_name, "from": start, "to": end}
        return self._connection.download(
            "/api/v1/ledger/export",
            {name: value for name, value in query.items() if value is not None},
            EXPORT_SILENCE_S,
        )

    def reconcile(
        self,
        invoice: bytes,
        *,
        provider: str,
        is_dry_run: bool,
        start: str | None = None,
        end: str | None = None,
    ) -> Json:
        """Hold a provider's invoice (CSV) against the ledger.

        Args:
            invoice: the file.
            provider: whose it is.
            is_dry_run: only compare; else what it proves of money in suspense is settled, once.
            start: first day that the invoice covers; None for its first line's.
            end: the day after the last.
        """
        result: Json = self._connection.post_bytes(
            "/api/v1/ledger/reconciliations",
            invoice,
            "text/csv",
            **{"provider": provider, "dry_run": is_dry_run, "from": start, "to": end},
        )
        return result

    def reconciliations(
        self, *, provider: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> Json:
        """List what was settled by invoices, the newest first, a page at a time."""
        return self._get("reconciliations", provider=provider, cursor=cursor, limit=limit)

    def reconciliation(self, reconciliation_id: str) -> Json:
        """Return what was settled by one invoice, with its differences and transfers."""
        return self._get(f"reconciliations/{reconciliation_id}")

    def _get(self, path: str, **query: Any) -> Json:
        result: Json = self._connection.get(f"/api/v1/ledger/{path}", **query)
        return result
