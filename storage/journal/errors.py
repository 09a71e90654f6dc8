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

    ``offset`` is where in ``file`` the damage begins, ``first_lost_seq`` the first row that cannot
    be read, ``next_seq`` the first good row behind it (``None`` where none was found).
    """

    def __init__(
        self, file: Path, offset: int, what: str, first_lost_seq: int, next_seq: int | None
    ) -> None:
        lost = f"from row {first_lost_seq} on"
        remedy = "Restore the file from a copy"
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
