"""Who did what: every write through the API and the command line, in the state database."""

import getpass
import time
from collections.abc import Callable

from storage.audit import AuditLog

DETAIL_CHARS_MAX = 1_000


class Auditor(AuditLog):
    """The audit with a clock: the wall's, whatever time the readings are of."""

    clock: Callable[[], int] = staticmethod(time.time_ns)

    async def record(self, author: str, action: str, target: str, detail: str = "") -> None:
        """Write down that ``author`` has just done ``action`` to ``target``."""
        await self.record_audit(author, action, target, self.clock(), detail[:DETAIL_CHARS_MAX])


def command_line_author() -> str:
    """Return who acts on the command line: the user of the machine."""
    try:
        return f"command line: {getpass.getuser()}"
    except (KeyError, OSError):
        return "command line"
