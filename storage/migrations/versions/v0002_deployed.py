"""Tables of a deployed service, one function for each concern."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a deployed service keeps beside alarms and books."""
    _create_installation()
    _create_refused_readings()


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("refused_readings")
    op.drop_table("installation")


def _create_installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String, nullable=False),
    )


def _create_refused_readings() -> None:
    op.create_table(
        "refused_readings",
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("time_ns", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_refused_readings_number", "refused_readings", ["number"])
