"""What nearly every message counts, in one row a gateway."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COUNTS = ("frames_received", "frames_decoded", "readings_received", "readings_stored")
_IN_ONE = (
    "INSERT INTO accounts SELECT gateway, '{unit}', '{fate}', '', {unit}_{fate} FROM traffic {rest}"
)
_ADDED = (
    "WHERE {unit}_{fate} <> 0 ON CONFLICT (gateway, unit, fate, reason) "
    "DO UPDATE SET count = accounts.count + excluded.count"
)


def upgrade() -> None:
    """Begin a table for it; what was counted before stays where it is, and both are added up."""
    op.create_table(
        "traffic",
        sa.Column("gateway", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("gateway", name=op.f("pk_traffic")),
    )


def downgrade() -> None:
    """Count it with all the rest again."""
    for name in _COUNTS:
        unit, fate = name.split("_")
        rest = _ADDED.format(unit=unit, fate=fate)
        op.execute(_IN_ONE.format(unit=unit, fate=fate, rest=rest))
    op.drop_table("traffic")
