"""Tables of a deployed service, one function for each concern."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a deployed service keeps beside alarms and books."""
    _create_webhooks()
    _create_gateway_keys()
    _drop_gateway_status()
    _create_installation()
    _create_refused_readings()
    _create_catalogue()
    _create_standby()


def downgrade() -> None:
    """Take it away again."""
    _drop_standby()
    op.drop_table("refused_readings")
    op.drop_table("installation")
    _create_gateway_status()
    _drop_gateway_keys()
    _drop_webhooks()
    _drop_catalogue()


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


def _create_gateway_keys() -> None:
    op.create_table(
        "gateway_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("district", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("made_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_gateway_keys_digest")),
    )
    op.create_index(
        op.f("ix_gateway_keys_gateway_made_at_ns"), "gateway_keys", ["gateway", "made_at_ns"]
    )


def _drop_gateway_keys() -> None:
    op.drop_table("gateway_keys")


def _drop_gateway_status() -> None:
    """Let go of a table that nothing ever wrote: the evaluator's snapshot has the gateways."""
    op.drop_table("gateway_status")


def _create_gateway_status() -> None:
    op.create_table(
        "gateway_status",
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=True),
        sa.Column("last_heard_ns", sa.BigInteger(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_gateway_status")),
    )


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
