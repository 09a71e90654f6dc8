"""What the interface's process may ask of the service before that leads."""

from collections.abc import Callable
from dataclasses import dataclass, field

STOP_TIMEOUT_S = 5  # for answers that have begun
AWAY_REMEDY = "Try again when the database answers."
REQUEST_PATIENCE_S = 5.0  # of a request with a database that is away


@dataclass(frozen=True, slots=True)
class Setup:
    """What the interface's process is told of the settings."""

    log_level: str
    open_reads: bool
    state_url: str = field(repr=False)  # it may hold a password
    wall_clock: bool


class Reception:
    """The settings, and a word of how it stands."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.words: Callable[[], str] = lambda: "starting"

    def setup(self) -> Setup:
        """Return the settings that concern it."""
        return self._setup

    def state(self) -> str:
        """Return why the service does not answer for itself yet."""
        return self.words()
