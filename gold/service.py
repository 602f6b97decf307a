"""Frozen datasets, tries on their holdouts, and the reports that were given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from core.clock import Clock
from core.ids import derived_id
from gold import store
from gold.dataset import GoldDataset, dataset_digest, input_fingerprint
from gold.domain import Audience, Axis, CaseType, Part
from gold.errors import GoldDamagedError, GoldNotFoundError, NotAttestableError, NotGoldOwnerError
from gold.leakage import LeakCheck
from gold.limits import MAX_ROWS_PAGE
from gold.lint import load_dataset
from gold.report import GoldReport, view_report
from gold.verbatim import value_readings

LINEAGE_MIN_CHARACTERS = 40
"""Letters and digits of an input's values that two authors do not hit on by chance. Robustness
inputs count whatever their length: the level of tries is spent on them."""


@dataclass(frozen=True, kw_only=True)
class DatasetRef:
    """A frozen dataset without its cases.

    Attributes:
        owner: who froze it first: a namespace, or ``namespace.agent``.
        counts: cases by part and type, as JSON.
    """

    digest: str
    name: str
    owner: str
    description: str
    counts: Mapping[str, Mapping[str, int]]
    frozen_at: datetime


@dataclass(frozen=True, kw_only=True)
class StoredReport:
    """A report as it was given for an order.

    Attributes:
        body: its whole JSON form; show it through `view` only.
    """

    id: str
    order_id: str
    dataset_digest: str
    artifact: str
    channel: str
    candidate_digest: str
    incumbent_digest: str | None
    accepted: bool
    body: Mapping[str, Any]
    judged_at: datetime

    def view(self, audience: Audience | str) -> dict[str, Any]:
        """Return what the audience may see of it."""
        return view_report(self.body, audience)


class GoldService:
    """Keeps what must not change: datasets, tries, reports; works in its callers' transactions."""

    def __init__(self, clock: Clock) -> None:
        """Keep the clock; no I/O."""
        self._clock = clock

    def freeze(self, session: Session, *, owner: str, files: Mapping[str, bytes]) -> DatasetRef:
        """Make a dataset immutable; the same files again give the same reference.

        Args:
            session: the caller's transaction.
            owner: a namespace, or ``namespace.agent``; the dataset's name lies in the namespace.
            files: bytes by path relative to the dataset's folder.

        Raises:
            GoldFormatError: the dataset has errors.
            NotGoldOwnerError: its name lies in another namespace.
        """
        dataset = load_dataset(files)
        if dataset.settings.namespace != owner.partition(".")[0]:
            raise NotGoldOwnerError(
                f"{owner} may not freeze {dataset.name}: name it after your own namespace",
                owner=owner,
                name=dataset.name,
            )
        known = store.find_dataset(session, dataset.digest)
        if known is None:
            row = {
                "digest": dataset.digest,
                "name": dataset.name,
                "owner": owner,
                "description": dataset.settings.description,
                "counts": dataset.counts().to_json(),
                "frozen_at": self._clock.now(),
            }
            store.add_dataset(session, row, files, _lineage_fingerprints(dataset))
            known = store.find_dataset(session, dataset.digest)
        return _require_ref(known, dataset.digest)

    def show(self, session: Session, digest: str) -> DatasetRef:
        """Return a frozen dataset's reference.

        Raises:
            GoldNotFoundError: nothing is frozen under the digest.
        """
        return _require_ref(store.find_dataset(session, digest), digest)

    def datasets(
        self,
        session: Session,
        *,
        namespace: str | None = None,
        after: str | None = None,
        limit: int = MAX_ROWS_PAGE,
    ) -> Sequence[DatasetRef]:
        """Return references in order of freezing, at most a page, from after a digest on."""
        rows = store.list_datasets(session, namespace=namespace, after=after, limit=limit)
        return [DatasetRef(**row) for row in rows]

    def load(self, session: Session, digest: str) -> GoldDataset:
        """Return a frozen dataset with its holdout: for the judge alone.

        Raises:
            GoldNotFoundError: nothing is frozen under the digest.
            GoldDamagedError: what is stored no longer has the digest.
        """
        self.show(session, digest)
        files = store.read_files(session, digest)
        found = dataset_digest(files)
        if found != digest:
            raise GoldDamagedError(
                f"the stored files of {digest} have the digest {found}; restore them from a"
                " backup",
                digest=digest,
                found=found,
            )
        return load_dataset(files)

    def record_try(self, session: Session, *, digest: str, order_id: str) -> int:
        """Count an order's try on a holdout lineage, from 1; once per order and dataset.

        A lineage is every dataset, of any owner, whose holdout shares a case's input with this
        one, plain ones apart: freezing a copy gives no fresh first try. Call it before judging,
        in a transaction that commits first, so that a try whose judging crashes counts as well.

        Raises:
            GoldNotFoundError: nothing is frozen under the digest.
        """
        self.show(session, digest)
        lineage = store.lock_lineage(session, digest)
        number = store.find_try(session, order_id, digest)
        if number is None:
            number = store.count_other_orders(session, lineage, order_id) + 1
            store.add_try(
                session, order_id=order_id, digest=digest, number=number, at=self._clock.now()
            )
        return number

    def record_report(
        self,
        session: Session,
        *,
        order_id: str,
        artifact: str,
        channel: str,
        candidate_digest: str,
        incumbent_digest: str | None,
        report: GoldReport | LeakCheck,
    ) -> StoredReport:
        """Keep a report for good; the same judging again returns the one that is kept.

        A judging is an order, a dataset, a candidate and an incumbent. A candidate that quotes
        gold is not run, and its leak check is its report.
        """
        report_id = derived_id(
            "gld", order_id, report.dataset_digest, candidate_digest, incumbent_digest or ""
        )
        if store.find_report(session, report_id) is None:
            store.add_report(
                session,
                {
                    "id": report_id,
                    "order_id": order_id,
                    "dataset_digest": report.dataset_digest,
                    "artifact": artifact,
                    "channel": channel,
                    "candidate_digest": candidate_digest,
                    "incumbent_digest": incumbent_digest,
                    "accepted": report.accepted,
                    "body": report.to_json(),
                    "judged_at": self._clock.now(),
                },
            )
        return self.report(session, report_id)

    def report(self, session: Session, report_id: str) -> StoredReport:
        """Return a kept report.

        Raises:
            GoldNotFoundError: there is none of this name.
        """
        row = store.find_report(session, report_id)
        if row is None:
            raise GoldNotFoundError(f"there is no gold report {report_id}", report_id=report_id)
        return StoredReport(**row)

    def reports(self, session: Session, order_id: str) -> Sequence[StoredReport]:
        """Return an order's reports in order of judging."""
        return [StoredReport(**row) for row in store.list_reports(session, order_id)]

    def attest(self, session: Session, report_id: str) -> None:
        """Let an accepted report count in its channel's history, once its version is attested.

        Idempotent. A report without scenario cases leaves no share.

        Raises:
            GoldNotFoundError: there is no such report.
            NotAttestableError: it is a rejection.
        """
        report = self.report(session, report_id)
        if not report.accepted:
            raise NotAttestableError(
                f"the gold report {report_id} is a rejection; only an accepted one is attested",
                report_id=report_id,
            )
        share = report.body["axes"][Axis.BUSINESS_LOGIC.value]["new"]["exact"]
        satisfied, total = map(int, share.split("/"))
        if total == 0 or store.is_attested(session, report_id):
            return
        store.add_attested_share(
            session,
            {
                "report_id": report_id,
                "artifact": report.artifact,
                "channel": report.channel,
                "satisfied": satisfied,
                "total": total,
                "at": self._clock.now(),
            },
        )

    def best_scenario_share(
        self, session: Session, *, artifact: str, channel: str
    ) -> Fraction | None:
        """Return a channel's best attested share of satisfied rules; None before the first."""
        row = store.best_attested_share(session, artifact, channel)
        return None if row is None else Fraction(row["satisfied"], row["total"])


def _require_ref(row: RowMapping | None, digest: str) -> DatasetRef:
    if row is None:
        raise GoldNotFoundError(
            f"no gold dataset is frozen as {digest}; freeze it first", digest=digest
        )
    return DatasetRef(**row)


def _lineage_fingerprints(dataset: GoldDataset) -> list[str]:
    """Return what makes two holdouts one lineage: their inputs, whatever the type of case.

    Plain ones (an empty chat, a short list) do not: strangers share them.
    """
    return [
        input_fingerprint(case)
        for case in dataset.cases(Part.HOLDOUT)
        if case.type is CaseType.ROBUSTNESS
        or len(value_readings(case.input)[1]) >= LINEAGE_MIN_CHARACTERS
    ]
