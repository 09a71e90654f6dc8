"""A place of its own in the journal for what is counted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; up to now everything committed was counted with it."""
    column = sa.Column("counted_seq", sa.BigInteger(), nullable=False, server_default="0")
    with op.batch_alter_table("progress") as progress:
        progress.add_column(column)
    op.execute("UPDATE progress SET counted_seq = seq")
    with op.batch_alter_table("progress") as progress:
        progress.alter_column("counted_seq", server_default=None)


def downgrade() -> None:
    """Take it away; what is committed and not counted yet is not counted any more."""
    with op.batch_alter_table("progress") as progress:
        progress.drop_column("counted_seq")
