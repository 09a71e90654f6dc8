"""What Alembic runs to migrate: on the connection it is given, in that connection's transaction."""

from alembic import context
from sqlalchemy import Connection, text

from storage.tables import metadata

# Two instances that start together migrate one after the other; SQLite's write lock does the same.
LOCK_NUMBER = 0x11FE_11FE


def migrate(connection: Connection) -> None:
    """Run what is to be run. The transaction is the caller's, and nothing is committed here."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK_NUMBER})
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()


migrate(context.config.attributes["connection"])
