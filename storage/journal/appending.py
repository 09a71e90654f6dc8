"""What every journal with a writer of its own does between its callers, that writer, and its readers."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from storage.journal.codec import Encoded
from storage.journal.errors import JournalError


@dataclass(slots=True)
class Pending:
    """An append that waits. ``done`` is called by the writer's thread: last row, or the error."""

    encoded: list[Encoded]
    done: Callable[[int, JournalError | None], None]

    @property
    def bytes(self) -> int:
        """How much it is to write."""
        return sum(len(block.payload) for block in self.encoded)


class Appending:
    """Hands records to a writer's thread, waits for them, and wakes whoever follows the journal."""

    def __init__(self) -> None:
        self.grown = asyncio.Event()  # another one after each growth

    async def append(self, submit: Callable[[Pending], None], encoded: Sequence[Encoded]) -> int:
        """Return the number of the last row once all are durable; raises ``JournalError``."""
        loop = asyncio.get_running_loop()
        appended: asyncio.Future[int] = loop.create_future()

        def done(last_seq: int, error: JournalError | None) -> None:
            with suppress(RuntimeError):  # the caller's loop has ended
                loop.call_soon_threadsafe(self._appended, appended, last_seq, error)

        submit(Pending(list(encoded), done))
        return await appended

    def _appended(
        self, appended: asyncio.Future[int], last_seq: int, error: JournalError | None
    ) -> None:
        if error is None:
            self.wake_readers()
        if appended.done():
            return
        if error is None:
            appended.set_result(last_seq)
        else:
            appended.set_exception(error)

    def wake_readers(self) -> None:
        """Have whoever waits for ``grown`` look again."""
        self.grown.set()
        self.grown = asyncio.Event()
