"""The books are what was added to them, in whatever table it stands."""

from collections import Counter

from alembic import command
from alembic.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from domain.accounting import PARTS, Account, Fate, Reason, Unit
from storage import tables
from storage.accounts import add_accounts, read_accounts
from storage.alarms import AlarmStore
from storage.state import MIGRATIONS

STORED = Account("gw-bridge", Unit.READINGS, Fate.STORED)
ACCOUNTS = st.builds(
    Account,
    st.sampled_from(["gw-1", "gw-2", 'gw-"三"\\', "gw-\x00", "gw-\ufffd"]),
    st.sampled_from(Unit),
    st.sampled_from([Fate.RECEIVED, Fate.DECODED, Fate.STORED, Fate.REJECTED]),
    st.sampled_from([Reason.NONE, Reason.UNIT]),
)
CHANGES = st.dictionaries(ACCOUNTS, st.integers(-1000, 2**40)).map(Counter)


def as_kept(changes):
    """What a database cannot hold in a name is replaced: two names may then be one."""
    books = Counter()
    for each in changes:
        for account, count in each.items():
            gateway = account.gateway.replace("\x00", "\ufffd")
            books[Account(gateway, account.unit, account.fate, account.reason)] += count
    return {account: count for account, count in books.items() if count}


@settings(deadline=None, max_examples=30)
@given(changes=st.lists(CHANGES, max_size=4))
def test_the_books_are_the_sum_of_what_was_added(with_engine, changes):
    async def check(engine):
        for each in changes:
            await engine.write(lambda connection, each=each: add_accounts(connection, each))
        books = await read_accounts(engine)
        assert {account: count for account, count in books.items() if count} == as_kept(changes)

    with_engine(check)


EARLIER = {
    "gateway": "gw-bridge",
    "unit": "readings",
    "fate": "stored",
    "reason": "",
    "count": 5,
}


def test_what_an_earlier_version_counted_is_added_to(with_engine):
    async def check(engine):
        await engine.write(
            lambda connection: connection.execute(insert(tables.accounts), [EARLIER])
        )
        await engine.write(lambda connection: add_accounts(connection, Counter({STORED: 7})))
        assert await read_accounts(engine) == Counter({STORED: 12})

    with_engine(check)


def test_the_migration_taken_back_keeps_the_books(with_engine):
    def down(connection):
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        found = connection.execute(select(tables.accounts)).all()
        command.upgrade(config, "head")
        return {
            Account(row[0], Unit(row[1]), Fate(row[2]), Reason(row[3])): row[4] for row in found
        }

    async def check(engine):
        refused = Account("gw-2", Unit.READINGS, Fate.REJECTED, Reason.UNIT)
        received = Account("gw-2", Unit.FRAMES, Fate.RECEIVED)
        changes = Counter({STORED: 7, refused: 2, received: 3})
        await engine.write(
            lambda connection: connection.execute(insert(tables.accounts), [EARLIER])
        )
        await engine.write(lambda connection: add_accounts(connection, changes))
        async with engine.begin() as connection:
            books = await connection.run_sync(down)
        assert books == changes + Counter({STORED: 5})

    with_engine(check)


def test_every_part_of_the_books_begins_where_all_of_them_were_counted(with_engine):
    def from_the_version_before(connection):
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        connection.execute(text("UPDATE progress SET seq = 9, counted_seq = 7"))
        command.upgrade(config, "head")

    async def check(engine):
        async with engine.begin() as connection:
            await connection.run_sync(from_the_version_before)
        store = AlarmStore(engine)
        assert (await store.cursor(), await store.counted()) == (9, [7] * PARTS)

    with_engine(check)
