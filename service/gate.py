"""Whether frames are settled now: one small thing that stops intake, and that others can ask."""

import asyncio


class Gate:
    """Open, or closed for reasons that each have a name. Used on the event loop."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._opened = asyncio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether frames may be settled."""
        return not self._reasons

    def holding(self) -> str:
        """Return why nothing is settled now, in words; empty while the gate is open."""
        return "; ".join(self._reasons.values())

    def close(self, name: str, why: str) -> None:
        """Settle nothing from now on, for this reason."""
        self._reasons[name] = why
        self._opened.clear()

    def open(self, name: str) -> None:
        """Take a reason away; frames are settled again once there is none."""
        self._reasons.pop(name, None)
        if not self._reasons:
            self._opened.set()

    async def passed(self) -> None:
        """Return when the gate is open."""
        await self._opened.wait()
