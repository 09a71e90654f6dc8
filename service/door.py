"""The HTTP server's door: open before the service leads, and handed to its interface when it does."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.app import end_streams
from api.errors import problem
from service.across import ask
from service.direct import DirectProtocol
from service.opening import StartError
from service.settings import Settings
from service.supervise import Supervisor

STOP_TIMEOUT_S = 5


def bind(settings: Settings) -> socket.socket:
    """Return the socket of the HTTP interface; raises ``StartError`` where it cannot be had."""
    host, port = settings.http_host, settings.http_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        # The protocol by its number: only where it stands does asyncio turn off Nagle's algorithm, with
        # which each short answer and each event would wait up to 40 ms for an acknowledgement.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise StartError(
            f"cannot listen on {settings.http_listen} ({error.strerror}): "
            "choose another address with LIFELINE_HTTP_LISTEN"
        ) from None
    return listener


class Front:
    """An ASGI application that says why it is not ready, until it is given the real one."""

    def __init__(self) -> None:
        self.app: Any = None
        self.state: Callable[[], str] = lambda: "starting"

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
            check = {"name": "leadership", "ok": False, "detail": self.state()}
            status, body = 503, json.dumps({"ready": False, "checks": [check]}).encode()
        else:
            detail = f"This instance does not lead: {self.state()}."
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


class Door:
    """The HTTP server on an event loop and a thread of its own, as the supervised task ``http``."""

    def __init__(self, supervisor: Supervisor, listener: socket.socket) -> None:
        self.front = Front()
        self._supervisor = supervisor
        self._listener = listener
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._entered = AsyncExitStack()  # the lifespan of what is shown; on its own loop
        config = uvicorn.Config(
            self.front,
            http=DirectProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
        self._server = _Server(config)

    def open(self) -> None:
        """Begin to answer; once is enough."""
        if self._task is None:
            self._task = self._supervisor.start("http", self._serve())

    async def show(self, app: FastAPI) -> None:
        """Let ``app`` answer from now on; opens the door where it is not open yet."""
        if self._task is None:
            self.front.app = app
            self.open()
            return
        assert self._loop is not None  # noqa: S101  it is open
        await ask(self._loop, self._enter(app))

    async def _enter(self, app: FastAPI) -> None:
        await self._entered.enter_async_context(app.router.lifespan_context(app))
        self._entered.callback(end_streams, app)
        self.front.app = app

    async def _serve(self) -> None:
        """Run the server in its thread until it ends."""
        self._thread = threading.Thread(target=self._run, args=(done := _Done(),), name="http")
        self._thread.start()
        await done.future

    def _run(self, done: "_Done") -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            done.tell(error)
        else:
            done.tell(None)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        app, self.front.app = self.front.app, None
        async with self._entered:
            if app is not None:
                await self._enter(app)
            await self._server.serve([self._listener])

    @property
    def is_open(self) -> bool:
        """Whether it answers."""
        return bool(self._server.started)

    async def close(self) -> None:
        """Answer who has asked, and no one else; the listener is not used when it returns.

        Also where the task was cancelled: its thread goes on until it is told.
        """
        self._server.should_exit = True
        if self._thread is not None and self._loop is not None and self.front.app is not None:
            with suppress(RuntimeError):  # its loop has ended
                # Streams never end by themselves.
                self._loop.call_soon_threadsafe(end_streams, self.front.app)
        if self._task is not None and not self._task.done():
            await self._supervisor.finish("http", STOP_TIMEOUT_S + 1)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, STOP_TIMEOUT_S + 1)


class _Done:
    """Tells a loop what became of a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()

    def tell(self, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._set, error)

    def _set(self, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)
