"""The half-year is honest: what is measured on is a ledger in which the audit finds nothing."""

from pathlib import Path

import pytest

from aem.proof.audit import AuditReport
from benchmarks.half_year import FULL_RECORDS, HalfYear, measure, run
from core.database import Database
from core.signing import KeyFileSigner
from ledger import Audit


def audit(database: Database, folder: Path) -> AuditReport:
    signer = KeyFileSigner(folder / "keys")
    signer.create_missing()
    with database.reading() as session:
        return Audit(signer=signer, origin="bench").verify(session)


@pytest.mark.slow
def test_a_small_half_year_is_whole_and_answers(database: Database, tmp_path: Path) -> None:
    year = HalfYear(database, records=600)
    year.make()
    report = audit(database, tmp_path)
    assert report.verified, report.to_json()
    assert report.balances.figures["transfers"] > 1_200
    figures = measure(database, year.owners, times=1)
    assert len(figures) > 10
    assert all(figure.value > 0 for figure in figures)


@pytest.mark.soak
@pytest.mark.timeout(6 * 3600)
def test_the_whole_half_year_answers_in_time(bare_database: Database) -> None:
    url = bare_database.engine.url.render_as_string(hide_password=False)
    figures = run(url, records=FULL_RECORDS)
    assert [figure.name for figure in figures if figure.holds is False] == []
