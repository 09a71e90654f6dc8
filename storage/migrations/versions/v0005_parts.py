"""A place in the journal for each part of the books, instead of one for all."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PARTS = 10


def upgrade() -> None:
    """Begin all of them at the one there was."""
    counted = op.create_table(
        "counted",
        sa.Column("part", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("part", name=op.f("pk_counted")),
    )
    op.bulk_insert(counted, [{"part": part, "seq": 0} for part in range(_PARTS)])
    op.execute("UPDATE counted SET seq = (SELECT counted_seq FROM progress)")
    with op.batch_alter_table("progress") as progress:
        progress.drop_column("counted_seq")


def downgrade() -> None:
    """Go back to one; what some parts are behind by is not counted any more."""
    column = sa.Column("counted_seq", sa.BigInteger(), nullable=False, server_default="0")
    with op.batch_alter_table("progress") as progress:
        progress.add_column(column)
    op.execute("UPDATE progress SET counted_seq = (SELECT max(seq) FROM counted)")
    with op.batch_alter_table("progress") as progress:
        progress.alter_column("counted_seq", server_default=None)
    op.drop_table("counted")
