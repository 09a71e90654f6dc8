"""What can go wrong with a journal, and what the caller must know to decide."""

from pathlib import Path


class JournalError(Exception):
    """The journal could not do it. ``permanent``: trying again will not help by itself."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class JournalRetired(JournalError):  # noqa: N818  it says what became of the rows
    """The rows after a reader's position have been retired: the reader came back too late."""

    def __init__(self, after_seq: int, first_seq: int) -> None:
        super().__init__(
            f"rows {after_seq + 1} to {first_seq - 1} have been retired from the journal; it begins "
            f"at {first_seq}. Register the reader as a consumer, so that its rows are kept; to go "
            f"on without them, read after {first_seq - 1}.",
            permanent=True,
        )
        self.after_seq = after_seq
        self.first_seq = first_seq


class JournalDamaged(JournalError):  # noqa: N818  likewise
    """Rows that were durable cannot be read back: a flipped bit, or a file gone.

    ``file`` is a path, or a place in a database; ``offset`` is where in it the damage begins,
    ``first_lost_seq`` the first row that cannot be read, ``next_seq`` the first good row behind it
    (``None`` where none was found).
    """

    def __init__(
        self, file: Path | str, offset: int, what: str, first_lost_seq: int, next_seq: int | None
    ) -> None:
        lost = f"from row {first_lost_seq} on"
        remedy = "Restore it from a copy"
        if next_seq is not None:
            lost = f"rows {first_lost_seq} to {next_seq - 1}"
            remedy += f", or go on without them by reading after row {next_seq - 1}"
        super().__init__(
            f"{file} is damaged at byte {offset} ({what}); {lost} cannot be read. {remedy}.",
            permanent=True,
        )
        self.file = file
        self.offset = offset
        self.first_lost_seq = first_lost_seq
        self.next_seq = next_seq


def ahead(seq: int, last_seq: int) -> JournalError:
    """Return the error for a row that the journal does not have yet."""
    return JournalError(
        f"asked for row {seq}, but the journal ends at {last_seq}: it is not the journal that this "
        "reader read before. Restore the journal that belongs to it, or start it from the beginning.",
        permanent=True,
    )
