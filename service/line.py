"""A line between two processes of one service: each asks the other's ports, and awaits the answer.

Messages are pickled: both ends are this program, and the line is a pair of sockets that nobody else has.
"""

import asyncio
import inspect
import itertools
import pickle
import socket
import struct
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

_HEAD = struct.Struct("<Q")
_ASK, _TELL, _ANSWER, _FAIL, _CANCEL = range(5)
BUFFER_BYTES = 1 << 20
UNHEARD_BYTES_MAX = 64 << 20

log = structlog.get_logger(__name__)


class LineEndedError(Exception):
    """The other process is gone, or going: there is no answer."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A port that the other end may ask. What is no coroutine of it runs in ``executor``, if there is one."""

    port: object
    executor: Executor | None = None


class Line(asyncio.Protocol):
    """One end, and what it offers the other.

    ``stamp`` gives what goes along with each answer, for whoever has to be up to it; ``as_answer`` what
    the other end is to be told of an error.
    """

    def __init__(
        self,
        offers: Mapping[str, Offer] | None = None,
        as_answer: Callable[[Exception], Exception] = lambda error: error,
    ) -> None:
        self.offers = dict(offers or {})
        self.stamp: Callable[[], Any] = lambda: None
        self._as_answer = as_answer
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[tuple[Any, Any]]] = {}
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._parts: list[bytes] = []
        self._size = 0

    async def ask(self, port: str, method: str, *given: Any, **named: Any) -> tuple[Any, Any]:
        """Return the stamp and what ``method`` returns there; raises what it raises.

        Where we are cancelled, it is cancelled there. Raises ``LineEndedError`` where nobody is there.
        """
        if self._transport is None or self._transport.is_closing():
            raise LineEndedError("the other process is gone")
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send((_ASK, number, port, method, given, named))
        try:
            stamp, value = await answer
        except asyncio.CancelledError:
            self._send((_CANCEL, number))
            raise
        finally:
            self._asked.pop(number, None)
        return stamp, value

    def tell(self, port: str, method: str, *given: Any) -> None:
        """Have ``method`` called there, in the order of the telling; nobody is waited for.

        An end that does not listen any more is hung up on, before what it has not heard fills the memory.
        """
        self._send((_TELL, port, method, given))
        if (
            self._transport is not None
            and self._transport.get_write_buffer_size() > UNHEARD_BYTES_MAX
        ):
            log.error("the other process takes nothing any more: hanging up", port=port)
            self._transport.abort()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def _send(self, message: object) -> None:
        if self._transport is not None and not self._transport.is_closing():
            packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_HEAD.pack(len(packed)) + packed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  of a stream
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell whoever waits that nothing will come."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(LineEndedError("the other process has ended"))
        for task in self._answering.values():
            task.cancel()
        if not self.ended.done():
            self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take what came; a message may come in many pieces, and many in one."""
        self._parts.append(data)
        self._size += len(data)
        while self._size >= _HEAD.size:
            if len(self._parts[0]) < _HEAD.size:
                self._parts = [b"".join(self._parts)]
            end = _HEAD.size + _HEAD.unpack_from(self._parts[0])[0]
            if self._size < end:
                return
            whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            rest = whole[end:]
            self._parts, self._size = ([rest] if rest else []), len(rest)
            self._take(pickle.loads(memoryview(whole)[_HEAD.size : end]))  # noqa: S301  our own

    def _take(self, message: Any) -> None:
        kind, *about = message
        if kind == _ASK:
            number, *asked = about
            task = asyncio.create_task(self._answer(number, *asked))
            self._answering[number] = task
            task.add_done_callback(lambda _task: self._answering.pop(number, None))
        elif kind == _TELL:
            self._hear(*about)
        elif kind == _CANCEL:
            if about[0] in self._answering:
                self._answering[about[0]].cancel()
        else:
            number, stamp, value = about
            waiting = self._asked.get(number)
            if waiting is None or waiting.done():
                return
            if kind == _ANSWER:
                waiting.set_result((stamp, value))
            else:
                waiting.set_exception(value)

    def _hear(self, port: str, method: str, given: Any) -> None:
        try:
            getattr(self.offers[port].port, method)(*given)
        except (
            Exception
        ):  # whoever told it is not there to be told, and the line is for others, too
            log.exception("what was told failed", port=port, method=method)

    async def _answer(
        self, number: int, port: str, method: str, given: Any, named: dict[str, Any]
    ) -> None:
        try:
            value = await self._done(self.offers[port], method, given, named)
            self._send((_ANSWER, number, self.stamp(), value))
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))
            self._send((_FAIL, number, None, _portable(self._as_answer(error))))

    async def _done(self, offer: Offer, method: str, given: Any, named: dict[str, Any]) -> Any:
        call = partial(getattr(offer.port, method), *given, **named)
        if inspect.iscoroutinefunction(call.func):
            return await call()
        if offer.executor is None:
            return call()
        return await asyncio.get_running_loop().run_in_executor(offer.executor, call)


async def connect(line: Line, sock: socket.socket) -> Line:
    """Begin to speak over a socket, which is the line's from then on."""
    sock.setblocking(False)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # the kernel gives what it may
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
    await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=sock)
    return line


class _Rebuilt:
    """An error on its way: made again without its ``__init__``, which may want other arguments."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> Any:
        error = self._error
        return _rebuild, (type(error), error.args, dict(vars(error)))


def _rebuild(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


def _portable(error: Exception) -> object:
    """Return what unpickles as the error; its words alone where it does not."""
    try:
        pickle.loads(pickle.dumps(_Rebuilt(error), pickle.HIGHEST_PROTOCOL))  # noqa: S301  our own
    except Exception:  # of any kind: an error of a library may hold anything
        log.debug("an error goes by its words", error=repr(error))
        return RuntimeError(repr(error))
    return _Rebuilt(error)
