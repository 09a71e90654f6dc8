"""The HTTP server: it answers before the service leads, and is handed the interface when it does."""

import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.app import end_streams
from api.errors import problem
from service.direct import DirectProtocol
from service.reception import STOP_TIMEOUT_S


async def _starting() -> str:
    return "starting"


class Front:
    """An ASGI application that says why it is not ready, until it is given the real one."""

    def __init__(self) -> None:
        self.app: Any = None
        self.state: Callable[[], Awaitable[str]] = _starting

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or tell the server that it may begin."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope["path"], send)

    async def _answer(self, path: str, send: Any) -> None:
        kind = b"application/json"
        if path == "/health/live":
            status, body = 200, json.dumps({"live": True}).encode()
        elif path == "/health/ready":
            check = {"name": "leadership", "ok": False, "detail": await self.state()}
            status, body = 503, json.dumps({"ready": False, "checks": [check]}).encode()
        else:
            detail = f"This instance does not lead: {await self.state()}."
            answer = problem(503, detail, "Ask the instance that leads, or try again later.")
            status, body, kind = 503, bytes(answer.body), b"application/problem+json"
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if status == 503:
            headers.append((b"retry-after", b"2"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _live(receive: Any, send: Any) -> None:
    """Go through the server's lifespan; that of the real application is run by who gives it."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the supervisor decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the supervisor."""
        yield


class Server:
    """The server and what it shows, on this event loop."""

    def __init__(self, listener: socket.socket) -> None:
        self.front = Front()
        self._listener = listener
        self._entered = AsyncExitStack()  # the lifespan of what is shown
        self._server = _Server(
            uvicorn.Config(
                self.front,
                http=DirectProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=STOP_TIMEOUT_S,
            )
        )

    async def show(self, app: FastAPI) -> None:
        """Let ``app`` answer from now on."""
        await self._entered.enter_async_context(app.router.lifespan_context(app))
        self._entered.callback(end_streams, app)
        self.front.app = app

    async def serve(self) -> None:
        """Answer until it is told to stop."""
        async with self._entered:
            await self._server.serve([self._listener])

    @property
    def is_open(self) -> bool:
        """Whether it answers."""
        return bool(self._server.started)

    def stop(self) -> None:
        """Answer who has asked, and no one else."""
        self._server.should_exit = True
        if self.front.app is not None:
            end_streams(self.front.app)  # streams never end by themselves
