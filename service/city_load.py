"""``lifeline simulate --city``: a city's load on a broker, from processes of their own, and bounded.

Each process sends its share of the facilities at the pace of event time, and says each second how
far it came; the first sends what is mixed in, too. All end by themselves after the time given.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from domain.time import NS_PER_S, seconds_to_ns
from service.settings import ROOT
from simulators.city import City
from simulators.feed import Message, by_time
from simulators.recording import open_recording
from simulators.scenarios import SCENARIOS, Scenario
from simulators.shift import shifted
from simulators.writer import CONNECTIONS_MAX, UNDER_WAY_MAX, Writer, WriterError

TURN_S = 0.01
TELL_S = 1.0
DRAIN_S = 30.0
JOIN_S = 5.0


class LoadError(Exception):
    """The load cannot run, or has broken off; the message says why."""


def scenarios() -> dict[str, Callable[[int], Scenario]]:
    """Return every scenario, a function of a seed, by its function's name."""
    return {make.__name__.replace("_", "-"): make for make in SCENARIOS}


@dataclass(frozen=True, slots=True)
class Mixed:
    """What is mixed in: a scenario by its name, or a recording's folder; with the catalogue for it."""

    kind: str
    name: str
    data: str = ""

    @classmethod
    def parse(cls, text: str, data: Path | None) -> "Mixed":
        """Return what ``scenario:NAME`` or ``recording:FOLDER`` means; raises ``LoadError``."""
        kind, _, name = text.partition(":")
        if kind == "scenario":
            name = name.replace(" ", "-").replace("_", "-")
            if name not in (known := scenarios()):
                raise LoadError(f"no scenario {name!r}; there are {', '.join(sorted(known))}")
            return cls(kind, name)
        if kind != "recording" or not name:
            raise LoadError(f"--mix {text!r}: write scenario:NAME or recording:FOLDER")
        if data is None:
            raise LoadError("a recording needs --data, the folder of its files")
        return cls(kind, name, str(data))

    @property
    def catalogue(self) -> Path:
        """The file of its facilities and channels."""
        if self.kind == "scenario":
            return ROOT / "config" / "sites" / f"{self._scenario().site}.yaml"
        folder = Path(self.name)
        return folder / open_recording(folder, Path(self.data)).document.catalogue

    def _scenario(self) -> Scenario:
        return scenarios()[self.name](1)

    def messages(self, begin_ns: int) -> Iterator[Message]:
        """Yield its messages, moved so that it begins at ``begin_ns``."""
        if self.kind == "scenario":
            played = self._scenario().messages()
        else:
            recorded = open_recording(Path(self.name), Path(self.data)).messages()
            played = (one.message for one in recorded)
        first = next(played, None)
        if first is not None:
            by_ns = begin_ns - first.time_ns
            yield from (shifted(message, by_ns) for message in chain([first], played))


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent, and where to.

    Event time runs ``speed`` times as fast as life from ``begin_ns`` on, for ``seconds`` of the wall.
    """

    channels: int
    mqtt_url: str
    seed: int
    seconds: float
    begin_ns: int
    speed: float = 1.0
    processes: int = 1
    connections_max: int = CONNECTIONS_MAX
    mixed: tuple[Mixed, ...] = ()
    passwords: Mapping[str, str] = field(default_factory=dict)

    @property
    def end_ns(self) -> int:
        """The event time at which it ends."""
        return self.begin_ns + seconds_to_ns(self.seconds * self.speed)

    def messages(self, part: int, city: City, begin_ns: int) -> Iterator[Message]:
        """Yield the messages of one process from ``begin_ns`` on, in order of time."""
        span_ns = self.end_ns - self.begin_ns
        streams: list[Iterable[Message]] = [city.messages(begin_ns, begin_ns + span_ns)]
        if part == 0:
            streams += [one.messages(begin_ns) for one in self.mixed]
        return merge(*streams, key=by_time)


@dataclass(frozen=True, slots=True)
class Said:
    """How far a process came: messages sent and settled, and by how much it is behind its pace."""

    part: int
    sent: int
    settled: int
    behind_s: float
    connections: int
    ended: str = ""  # "done", or why it broke off


def begin_of(speed: float, seconds: float, now_ns: int) -> int:
    """Return the event time to begin at: now, or so far back that a faster load ends now."""
    return now_ns - seconds_to_ns(max(0.0, (speed - 1.0) * seconds))


def run_load(load: Load) -> Iterator[list[Said]]:
    """Run the processes, and yield what each said last, about once a second, until all have ended.

    Raises ``LoadError`` where one breaks off; the others are stopped then.
    """
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    children: list[Any] = []
    try:
        for part in range(load.processes):
            ours, theirs = context.Pipe(duplex=False)
            child = context.Process(target=_send, args=(load, part, theirs), daemon=True)
            child.start()
            theirs.close()
            pipes.append(ours)
            children.append(child)
        yield from _listen(pipes)
        for child in children:
            child.join(JOIN_S)
    finally:
        for child in children:
            if child.is_alive():
                child.terminate()
                child.join(JOIN_S)


def _listen(pipes: list[Connection]) -> Iterator[list[Said]]:
    said: dict[int, Said] = {}
    open_pipes = list(pipes)
    told_s = time.monotonic()
    while open_pipes:
        for pipe in wait(open_pipes, TELL_S):
            assert isinstance(pipe, Connection)  # noqa: S101  for the type only
            try:
                word: Said = pipe.recv()
            except EOFError:
                raise LoadError("a sending process has died") from None
            said[word.part] = word
            if word.ended not in ("", "done"):
                raise LoadError(word.ended)
            if word.ended:
                open_pipes.remove(pipe)
        if said and (time.monotonic() - told_s >= TELL_S or not open_pipes):
            told_s = time.monotonic()
            yield list(said.values())


def _send(load: Load, part: int, pipe: Connection) -> None:
    """Send one process's share; the last word says how it ended."""
    parent = os.getppid()
    try:
        name = f"city-{part}-{os.getpid()}"
        with Writer(
            load.mqtt_url,
            name,
            connections_max=max(1, load.connections_max // load.processes),
            passwords=load.passwords,
        ) as writer:
            for behind_s in _paced(load, part, writer):
                pipe.send(_said(part, writer, behind_s))
                if os.getppid() != parent:
                    return
            whole = writer.drain(DRAIN_S)
            ended = "done" if whole else f"{writer.under_way} messages were not settled"
            pipe.send(_said(part, writer, 0.0, ended))
    except (WriterError, OSError) as error:
        pipe.send(Said(part, 0, 0, 0.0, 0, str(error)))
    except KeyboardInterrupt:
        return


def _said(part: int, writer: Writer, behind_s: float, ended: str = "") -> Said:
    return Said(part, writer.sent, writer.settled, behind_s, writer.connections, ended)


def _paced(load: Load, part: int, writer: Writer) -> Iterator[float]:
    """Send at the pace of event time; yield each second by how many seconds it is behind.

    Where the broker is slow the load falls behind and catches up later: nothing is left out. It
    ends at its time all the same.
    """
    city = City(load.channels, load.seed, part=part, parts=load.processes)
    # Making a city takes seconds: at life's speed it begins with the present all the same.
    begin_ns = time.time_ns() if load.speed == 1.0 else load.begin_ns
    messages = load.messages(part, city, begin_ns)
    message = next(messages, None)
    began_s = told_s = time.monotonic()
    end_s = began_s + load.seconds
    while (now_s := time.monotonic()) < end_s and message is not None:
        due_ns = begin_ns + round((now_s - began_s) * load.speed * NS_PER_S)
        while (
            message is not None
            and message.time_ns <= due_ns
            and writer.under_way < UNDER_WAY_MAX // load.processes
        ):
            writer.put(message)
            message = next(messages, None)
        writer.turn(TURN_S)
        if now_s - told_s >= TELL_S:
            told_s = now_s
            writer.keep_alive()
            late_ns = due_ns - (message.time_ns if message is not None else due_ns)
            yield max(0.0, late_ns / NS_PER_S / load.speed)
