import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, select, text

from storage import tables
from storage.state import MIGRATIONS, StateEngine, StateError, parse_url
from storage.tables import metadata
from storage.upsert import upsert

SQLITE_ONLY = pytest.mark.parametrize("new_url", ["sqlite"], indirect=True)


def schema_of(connection):
    looked_at = inspect(connection)
    return {
        table: (
            [
                (c["name"], str(c["type"]), c["nullable"], c["primary_key"] > 0)
                for c in looked_at.get_columns(table)
            ],
            looked_at.get_pk_constraint(table),
            sorted(looked_at.get_indexes(table), key=str),
            sorted(looked_at.get_unique_constraints(table), key=str),
            looked_at.get_foreign_keys(table),
        )
        for table in looked_at.get_table_names()
        if table != "alembic_version"
    }


async def test_the_migrations_make_the_schema_of_the_tables(engine):
    def differences(connection):
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    async with engine.read() as connection:
        assert await connection.run_sync(differences) == []


@SQLITE_ONLY
async def test_the_migrations_make_to_the_letter_what_the_metadata_makes(engine, new_url):
    made = create_engine("sqlite://")
    metadata.create_all(made)
    with made.connect() as connection:
        wanted = schema_of(connection)
    made.dispose()
    async with engine.read() as connection:
        assert await connection.run_sync(schema_of) == wanted


async def test_every_migration_can_be_taken_back(engine):
    def down_and_up(connection):
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        left = set(inspect(connection).get_table_names())
        command.upgrade(config, "head")
        return left

    async with engine.begin() as connection:
        assert await connection.run_sync(down_and_up) == {"alembic_version"}


async def test_opening_again_keeps_what_is_there(new_url):
    url = new_url()
    for value in (1, 2, 3):
        engine = await StateEngine.open(url)
        async with engine.begin() as connection:
            row = {"consumer": f"c{value}", "number": value}
            await upsert(connection, tables.outbox_cursors, [row])
        async with engine.read() as connection:
            assert len((await connection.execute(select(tables.outbox_cursors))).all()) == value
        await engine.close()


async def test_it_opens_from_any_folder_and_makes_the_folders_on_the_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    engine = await StateEngine.open("sqlite:///deep/down/state.db")
    await engine.close()
    assert (tmp_path / "deep/down/state.db").exists()


async def test_a_path_may_hold_what_alembic_and_urls_treat_specially(tmp_path):
    engine = await StateEngine.open(f"sqlite:///{tmp_path}/城市 50%/state.db")
    await engine.close()
    assert (tmp_path / "城市 50%/state.db").exists()


@SQLITE_ONLY
async def test_sqlite_syncs_every_commit_and_keeps_foreign_keys(engine, new_url):
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}
    async with engine.read() as connection:
        for pragma, value in wanted.items():
            assert (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one() == value


@pytest.mark.parametrize(
    "url", ["", "state.db", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "sqlite:///"]
)
def test_a_url_that_cannot_hold_the_state_is_refused(url):
    with pytest.raises(StateError):
        parse_url(url)


def test_a_url_gets_the_driver_of_its_database():
    assert parse_url("sqlite:////var/state.db").drivername == "sqlite+aiosqlite"
    assert parse_url("postgresql://u:p@host/db").drivername == "postgresql+asyncpg"


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(new_url):
    url = new_url()
    engine = await StateEngine.open(url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.close()
    with pytest.raises(StateError, match="9999"):
        await StateEngine.open(url)


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "state.db").write_bytes(b"not a database, " * 100)
    with pytest.raises(StateError, match="not a database"):
        await StateEngine.open(f"sqlite:///{tmp_path}/state.db")


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="file"):
        await StateEngine.open(f"sqlite:///{tmp_path}/file/state.db")


async def test_an_exception_takes_back_all_that_its_transaction_wrote(engine):
    async def fail(connection):
        row = {"consumer": "c", "number": 1}
        await upsert(connection, tables.outbox_cursors, [row])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await engine.write(fail)
    async with engine.read() as connection:
        assert (await connection.execute(select(tables.outbox_cursors))).all() == []


async def test_two_engines_that_write_at_the_same_time_wait_for_each_other(new_url):
    url = new_url()
    engines = [await StateEngine.open(url), await StateEngine.open(url)]

    async def add(engine):
        for _ in range(25):
            async with engine.begin() as connection:
                counted = select(tables.accounts.c.count)
                await connection.execute(counted)  # a read first is what makes others fail
                row = {"gateway": "g", "unit": "u", "fate": "f", "reason": "", "count": 1}
                await upsert(connection, tables.accounts, [row], adding=["count"])

    await asyncio.gather(*(add(engine) for engine in engines))
    async with engines[0].read() as connection:
        assert (await connection.execute(select(tables.accounts.c.count))).scalar_one() == 50
    for engine in engines:
        await engine.close()


async def test_two_that_open_a_new_database_at_the_same_time_both_succeed(new_url):
    url = new_url()
    engines = await asyncio.gather(StateEngine.open(url), StateEngine.open(url))
    for engine in engines:
        await engine.close()


async def test_a_reader_in_another_thread_needs_no_loop(engine):
    rows = await asyncio.to_thread(engine.read_from_thread, select(tables.progress.c.seq))
    assert [tuple(row) for row in rows] == [(0,)]


async def test_a_reader_in_another_thread_is_told_of_its_error(engine):
    missing = select(text("nothing FROM nowhere"))
    with pytest.raises(Exception, match="nowhere"):
        await asyncio.to_thread(engine.read_from_thread, missing)
