"""A connection that is lost in a commit: the same key posts once, whatever the server did."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.database import Database, is_transient, make_engine
from ledger import Batch, BatchResult, Move, Writer
from tests.fakes.bank import Bank
from tests.fakes.cutting_proxy import Cut, CuttingProxy

pytestmark = pytest.mark.postgres

ESCROW = "escrow:order-1"
BATCH = Batch(
    key="key",
    commands=(Move(debit="wallet:acme.bot", credit=ESCROW, amount=5, kind="escrow"),),
)


@pytest.fixture
def proxy(funded: Bank) -> Iterator[CuttingProxy]:
    if funded.database.is_sqlite:
        pytest.skip("SQLite has no connection to lose")
    url = funded.database.engine.url
    with CuttingProxy(url.host or "127.0.0.1", url.port or 5432) as proxy:
        yield proxy


@pytest.fixture
def cut_database(funded: Bank, proxy: CuttingProxy) -> Iterator[Database]:
    """The same database, through the proxy."""
    url = make_url(str(funded.database.engine.url)).set(host="127.0.0.1", port=proxy.port)
    database = Database(make_engine(url.render_as_string(hide_password=False)))
    yield database
    database.dispose()


@pytest.mark.parametrize("cut", Cut)
def test_the_commit_raises_and_the_same_key_tells(
    funded: Bank, proxy: CuttingProxy, cut_database: Database, cut: Cut
) -> None:
    proxy.cut_next(cut)
    with pytest.raises(OperationalError) as lost, cut_database.transaction() as session:
        funded.ledger.post(session, BATCH)
    assert is_transient(lost.value)
    with cut_database.transaction() as session:
        assert funded.ledger.post(session, BATCH).is_replay is (cut is Cut.AFTER)
    assert funded.balance(ESCROW) == 5


@pytest.mark.parametrize("cut", Cut)
def test_retrying_posts_once(
    funded: Bank, proxy: CuttingProxy, cut_database: Database, cut: Cut
) -> None:
    def work(session: Session) -> BatchResult:
        return funded.ledger.post(session, BATCH)

    proxy.cut_next(cut)
    cut_database.retry(work).require()
    assert proxy.cuts == 1
    assert funded.balance(ESCROW) == 5
    assert funded.verify().verified


@pytest.mark.parametrize("cut", Cut)
def test_the_writer_posts_once(
    funded: Bank, proxy: CuttingProxy, cut_database: Database, cut: Cut
) -> None:
    with Writer(database=cut_database, ledger=funded.ledger) as writer:
        proxy.cut_next(cut)
        futures = [
            writer.submit(Batch(key=f"k{number}", commands=BATCH.commands)) for number in range(8)
        ]
        for future in futures:
            future.result(20).require()
    assert proxy.cuts == 1
    assert funded.balance(ESCROW) == 40
    assert funded.verify().verified
