"""The first schema: alarms, the books of ingest, keys, audit and catalogue revisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _create_progress() -> None:
    op.create_table(
        "progress",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("transition_number", sa.BigInteger(), nullable=False),
        sa.Column("notice_number", sa.BigInteger(), nullable=False),
        sa.Column("reject_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_progress")),
    )
    op.execute("INSERT INTO progress VALUES (1, 0, 0, 0, 0)")


def _create_alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("facility", sa.String(), nullable=False),
        sa.Column("facility_kind", sa.String(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("grade", sa.SmallInteger(), nullable=False),
        sa.Column("peak_grade", sa.SmallInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("acknowledged", sa.Boolean(), nullable=False),
        sa.Column("latching", sa.Boolean(), nullable=False),
        sa.Column("awaiting_reset", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("raised_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(), nullable=True),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("limit", sa.Double(), nullable=True),
        sa.Column("delayed", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("active_since_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index(op.f("ix_alarms_changed_at_ns"), "alarms", ["changed_at_ns"], unique=False)
    op.create_index(
        op.f("ix_alarms_channel_raised_at_ns_id"),
        "alarms",
        ["channel", "raised_at_ns", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_alarms_ended_raised_at_ns_id"),
        "alarms",
        ["ended", "raised_at_ns", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_alarms_facility_raised_at_ns_id"),
        "alarms",
        ["facility", "raised_at_ns", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_alarms_raised_at_ns_id"), "alarms", ["raised_at_ns", "id"], unique=False
    )


def _create_transitions() -> None:
    op.create_table(
        "transitions",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("alarm_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("recorded_ns", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name=op.f("fk_transitions_alarm_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_transitions")),
        sa.UniqueConstraint("id", name=op.f("uq_transitions_id")),
    )
    op.create_index(
        op.f("ix_transitions_alarm_id_number"), "transitions", ["alarm_id", "number"], unique=False
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("transition_id", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_outbox_id")),
    )


def _create_outbox_cursors() -> None:
    op.create_table(
        "outbox_cursors",
        sa.Column("consumer", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", name=op.f("pk_outbox_cursors")),
    )


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("fate", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "unit", "fate", "reason", name=op.f("pk_accounts")),
    )


def _create_quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("fate", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("channel_name", sa.String(), nullable=False),
        sa.Column("excerpt", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_quarantine")),
    )
    op.create_index(
        op.f("ix_quarantine_gateway_number"), "quarantine", ["gateway", "number"], unique=False
    )


def _create_inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("channel_name", sa.String(), nullable=False),
        sa.Column("district", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_value", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("gateway", "channel_name", name=op.f("pk_inbox")),
    )
    op.create_index(
        op.f("ix_inbox_last_seen_ns_gateway_channel_name"),
        "inbox",
        ["last_seen_ns", "gateway", "channel_name"],
        unique=False,
    )


def _create_gateway_status() -> None:
    op.create_table(
        "gateway_status",
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=True),
        sa.Column("last_heard_ns", sa.BigInteger(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_gateway_status")),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )


def _create_catalogue_revisions() -> None:
    op.create_table(
        "catalogue_revisions",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_catalogue_revisions")),
    )


def _create_adoptions() -> None:
    op.create_table(
        "adoptions",
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("sent_as", sa.String(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "sent_as", name=op.f("pk_adoptions")),
    )


def upgrade() -> None:
    """Create every table, and the one row of progress."""
    _create_progress()
    _create_alarms()
    _create_transitions()
    _create_outbox()
    _create_outbox_cursors()
    _create_accounts()
    _create_quarantine()
    _create_inbox()
    _create_gateway_status()
    _create_api_keys()
    _create_audit()
    _create_catalogue_revisions()
    _create_adoptions()


def downgrade() -> None:
    """Drop every table, with its indexes."""
    for table in (
        "adoptions",
        "catalogue_revisions",
        "audit",
        "api_keys",
        "gateway_status",
        "inbox",
        "quarantine",
        "accounts",
        "outbox_cursors",
        "outbox",
        "transitions",
        "alarms",
        "progress",
    ):
        op.drop_table(table)
