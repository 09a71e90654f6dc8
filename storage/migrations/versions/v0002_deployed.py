"""Tables of a deployed service, one function for each concern."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a deployed service keeps beside alarms and books."""


def downgrade() -> None:
    """Take it away again."""
