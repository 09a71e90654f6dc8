"""Tables of a deployed service, one function for each concern."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a deployed service keeps beside alarms and books."""
    _create_catalogue()


def downgrade() -> None:
    """Take it away again."""
    _drop_catalogue()


def _create_catalogue() -> None:
    op.add_column("catalogue_revisions", sa.Column("channels", sa.Integer))
    op.create_table(
        "catalogue_imports",
        sa.Column("files", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("files", name="pk_catalogue_imports"),
    )
    op.create_table(
        "commissioning",
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("commissioning", sa.Boolean, nullable=False),
        sa.Column("of_files", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_commissioning"),
    )
    op.create_table(
        "profile_changes",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", "ordinal", name="pk_profile_changes"),
    )


def _drop_catalogue() -> None:
    for table in ("profile_changes", "commissioning", "catalogue_imports"):
        op.drop_table(table)
    op.drop_column("catalogue_revisions", "channels")
