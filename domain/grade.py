"""The four warning grades, quality flags, sides and fault kinds."""

from enum import IntEnum, StrEnum


class Grade(IntEnum):
    """Warning grade, worst highest, so that ``max`` is "the worst of".

    The national colours: IV blue, III yellow, II orange, I red (Emergency Response Law).
    """

    NORMAL = 0
    BLUE = 1
    YELLOW = 2
    ORANGE = 3
    RED = 4

    @property
    def word(self) -> str:
        """The word used in the API, in catalogues and in storage: ``red`` for ``RED``."""
        return self.name.lower()

    @classmethod
    def from_word(cls, word: str) -> "Grade":
        """Return the grade called ``word``; raises ``ValueError`` naming the words there are."""
        try:
            return cls[word.upper()]
        except KeyError:
            words = ", ".join(grade.word for grade in cls)
            raise ValueError(f"no grade {word!r}; there are {words}") from None


class Quality(IntEnum):
    """QARTOD flag of a reading."""

    PASS = 1
    UNKNOWN = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class Side(IntEnum):
    """Which side of a limit is out of bounds."""

    HIGH = 0
    LOW = 1


class FaultKind(StrEnum):
    """What is wrong with the instrument, not with the facility."""

    RANGE = "range"
    STUCK = "stuck"
    SILENT = "silent"
    CLOCK = "clock"
    NOISE = "noise"
    OVERLOAD = "overload"  # of a gateway: it sends more than it may


class Condition(StrEnum):
    """What an alarm is about: a side of the limits, or a kind of fault.

    There is at most one open alarm per (channel, condition).
    """

    HIGH = "high"
    LOW = "low"
    RANGE = "range"
    STUCK = "stuck"
    SILENT = "silent"
    CLOCK = "clock"
    NOISE = "noise"
    OVERLOAD = "overload"

    @property
    def is_fault(self) -> bool:
        """True where the instrument is at fault rather than the facility."""
        return self not in (Condition.HIGH, Condition.LOW)
