"""uvicorn's HTTP/1.1 protocol, which shows its transport to the application.

The event stream writes one chunk to a thousand listeners at once (``api/fan.py``): through the
server's own way, a task and a framing for each, that takes a tenth of a second of Python.
"""

from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from api.fan import DIRECT


class DirectProtocol(H11Protocol):
    """One connection; its requests have its transport among their extensions."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        inner = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), DIRECT: self.transport}
            await inner(scope, receive, send)

        self.app = with_transport
