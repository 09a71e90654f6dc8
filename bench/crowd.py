"""A crowd at the interface: listeners to the stream, requests at a pace, a year asked for again and again.

All from processes of their own, over bare sockets: what they cost is to be the service's cost. They stand
for machines of their own, so they get what processor time the service leaves. For the same reason a
thousand listeners are one process that looks at its sockets ``LOOKS_PER_S`` times a second: woken by each
event a thousand times, it would take the processors from who is measured, on a machine of two.
"""

import http.client
import multiprocessing
import os
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

HISTORY = "bridge/probe/history"
NICENESS = 10
CONNECTIONS = 64
SPARE = 8
LOOKS_PER_S = 20.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many listen, how many requests a second, and whether somebody asks for a year.

    A year is asked for ``year_pause_s`` after the answer to the one before.
    """

    listeners: int = 1_000
    requests_per_s: float = 100.0
    year: bool = True
    year_pause_s: float = 0.0


class Company:
    """The processes of a crowd, as a context; ``counts`` says what they did."""

    def __init__(
        self, http_port: int, crowd: Crowd, channels: Sequence[str], seed: int = 1
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._counts: Any = context.Array("q", 5)
        jobs: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        if crowd.listeners:
            jobs.append((_listen, (http_port, crowd.listeners)))
        if crowd.requests_per_s:
            jobs.append((_request, (http_port, crowd.requests_per_s, list(channels), seed)))
        if crowd.year:
            jobs.append((_years, (http_port, crowd.year_pause_s)))
        self._children = [
            context.Process(
                target=_apart, args=(job, *given, self._stop, self._counts), daemon=True
            )
            for job, given in jobs
        ]

    def __enter__(self) -> "Company":
        for child in self._children:
            child.start()
        return self

    def __exit__(self, *_given: object) -> None:
        self._stop.set()
        for child in self._children:
            child.join(10)
            if child.is_alive():
                child.kill()

    @property
    def counts(self) -> dict[str, int]:
        """Listeners connected, chunks they took, requests answered well, refused, years answered."""
        names = ("listeners", "chunks", "answered", "refused", "years")
        return dict(zip(names, self._counts, strict=True))


def _apart(job: Callable[..., None], *given: Any) -> None:
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job(*given)


def _end_with_parent() -> None:
    """Leave where the parent was killed: nobody else would ever say stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _listen(port: int, listeners: int, stop: Any, counts: Any) -> None:
    poll = select.epoll()
    socks: dict[int, socket.socket] = {}
    for _ in range(listeners):
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        sock.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: bench\r\n\r\n")
        answer = sock.recv(4096)
        if b" 200 " not in answer[:20]:
            sock.close()
            continue
        sock.setblocking(False)
        socks[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
        counts[0] += 1
    while not stop.wait(1 / LOOKS_PER_S):
        for descriptor, _ in poll.poll(0):
            if socks[descriptor].recv(1 << 16):
                counts[1] += 1
            else:
                poll.unregister(descriptor)
                counts[0] -= 1


def _request(
    port: int, per_s: float, channels: list[str], seed: int, stop: Any, counts: Any
) -> None:
    """Ask in turn, each from a connection of its own: half lists, a third channels, days of history."""
    rng = random.Random(seed)
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  in the child only

    connections = [
        http.client.HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(CONNECTIONS)
    ]
    free = list(connections)

    def ask(path: str) -> None:
        connection = free.pop()
        try:
            status = _status(connection, path)
        except (OSError, http.client.HTTPException):
            connection.close()
            status = 0
        finally:
            free.append(connection)
        with counts.get_lock():
            counts[2 if status == 200 else 3] += 1

    began_s, asked = time.monotonic(), 0
    with ThreadPoolExecutor(CONNECTIONS - SPARE) as pool:
        while not stop.is_set():
            due = int((time.monotonic() - began_s) * per_s)
            while asked < due and len(free) > SPARE:
                pool.submit(ask, _path(rng, channels))
                asked += 1
            asked = max(asked, due - 2 * int(per_s))  # no more than two seconds are made up for
            time.sleep(0.005)


def _status(connection: http.client.HTTPConnection, path: str) -> int:
    """Return the status of the answer, by a new connection where the server closed the idle one."""
    try:
        return _ask(connection, path)
    except ConnectionError:
        connection.close()
        return _ask(connection, path)


def _ask(connection: http.client.HTTPConnection, path: str) -> int:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _path(rng: random.Random, channels: list[str]) -> str:
    turn, channel = rng.random(), rng.choice(channels)
    if turn < 0.2:
        return "/api/v1/alarms?state=open&limit=100"
    if turn < 0.35:
        return f"/api/v1/channels?facility={channel.rpartition('/')[0]}&fault=false&limit=100"
    if turn < 0.5:
        return "/api/v1/facilities?limit=100"
    if turn < 0.85:
        return f"/api/v1/channels/{channel}"
    start = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"/api/v1/channels/{channel}/readings?start={start}&bucket=60s&limit=2000"


def _years(port: int, pause_s: float, stop: Any, counts: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    start = (datetime.now(UTC) - timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
    while not stop.is_set():
        path = f"/api/v1/channels/{HISTORY}/readings?start={start}&bucket=30m&limit=20000"
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            counts[4] += answer.status == 200
        except OSError:
            connection.close()
        stop.wait(pause_s)
