"""Tables of a deployed service, one function for each concern."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a deployed service keeps beside alarms and books."""
    _create_standby()


def downgrade() -> None:
    """Take it away again."""
    _drop_standby()


def _create_standby() -> None:
    op.create_table(
        "write_marks",
        sa.Column("writer", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("writer", name="pk_write_marks"),
    )
    leadership = op.create_table(
        "leadership",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_leadership"),
    )
    op.bulk_insert(leadership, [{"id": 1, "epoch": 0, "holder": "", "since_ns": 0}])
    op.create_table(
        "snapshots",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", "part", name="pk_snapshots"),
    )


def _drop_standby() -> None:
    for table in ("snapshots", "leadership", "write_marks"):
        op.drop_table(table)
