"""Tables of a deployed service, one function for each concern."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _create_webhooks() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("notice_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("first_tried_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_tried_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "notice_id", name=op.f("pk_dead_letters")),
    )
    op.create_index(
        op.f("ix_dead_letters_consumer_number"),
        "dead_letters",
        ["consumer", "number"],
        unique=False,
    )
    op.create_table(
        "disabled_webhooks",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("url_digest", sa.String(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_disabled_webhooks")),
    )


def _drop_webhooks() -> None:
    op.drop_table("disabled_webhooks")
    op.drop_table("dead_letters")


def upgrade() -> None:
    """Add what a deployed service keeps beside alarms and books."""
    _create_webhooks()


def downgrade() -> None:
    """Take it away again."""
    _drop_webhooks()
