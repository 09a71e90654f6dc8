"""An HTTP(S) endpoint of our own for webhooks: it keeps what it is sent, and answers as it is told."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Answer = int | str  # a status, or "reset", "slow", "garbage", "huge"


@dataclass
class Receiver:
    """``answer`` says what a request gets; ``taken`` are those that got 2xx."""

    answer: Callable[[Request], Answer] = lambda _: 204
    context: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    taken: list[Request] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> "Receiver":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._arrived = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self.context
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        scheme = "https" if self.context else "http"
        return f"{scheme}://localhost:{self.port}/hooks/secret-path"

    async def wait_for(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(condition)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        original = dict(line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in original.items()}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(head[0].split(" ")[1], headers, body)
        answer = self.answer(request)
        async with self._arrived:
            self.requests.append(request)
            if isinstance(answer, int) and 200 <= answer < 300:
                self.taken.append(request)
            self._arrived.notify_all()
        return await self._answer(answer, writer)

    async def _answer(self, answer: Answer, writer: asyncio.StreamWriter) -> bool:
        if answer == "reset":
            writer.transport.abort()
            return False
        if answer == "slow":
            await asyncio.Event().wait()
        if answer == "garbage":
            writer.write(b"what?\r\n\r\n")
            await writer.drain()
            return False
        if answer == "huge":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + bytes(200_000))
            await writer.drain()
            return True
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        length = "" if answer == 204 else "content-length: 0\r\n"
        writer.write(f"HTTP/1.1 {answer} X\r\n{length}{more}\r\n".encode())
        await writer.drain()
        return True
