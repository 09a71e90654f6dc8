"""A load without an end, in a process of its own, and what is to be found of it afterwards."""

import itertools
import multiprocessing
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from bench.city import SAMPLE_NS, Load, name_of
from bench.wire import connect, publish_packet
from domain.readings import Float64s, Int64s
from domain.time import NS_PER_MS, NS_PER_S

IN_FLIGHT_MAX = 4_000
_LOOK_S = 0.01
_EVER = 10**12  # messages


@dataclass(frozen=True, slots=True)
class Flow:
    """Blocks of 100 Hz in step with the wall's clock, and single JSON readings among them."""

    block_channels: int
    samples: int
    json_channels: int
    json_per_s: int
    gateways: int
    first_ns: int

    @property
    def blocks_per_s(self) -> float:
        return self.block_channels * NS_PER_S / (self.samples * SAMPLE_NS)

    @property
    def readings_per_s(self) -> float:
        return self.blocks_per_s * self.samples + self.json_per_s

    @property
    def readings_per_row(self) -> float:
        """Of a journal row, where each message is one; a tick a second is one, too."""
        return self.readings_per_s / (self.blocks_per_s + self.json_per_s + 1)

    @property
    def blocks(self) -> Load:
        return Load(_EVER, self.samples, self.block_channels, self.gateways, self.first_ns)

    @property
    def singles(self) -> Load:
        """Each channel in turn; the milliseconds that ``Load`` adds stay within its step."""
        step_ns = self.json_channels * NS_PER_S // self.json_per_s
        return Load(
            _EVER, 0, self.json_channels, self.gateways, self.first_ns, step_ns, self.block_channels
        )

    def readings(self, sent: "Sent") -> int:
        return sent.blocks * self.samples + sent.singles


@dataclass(frozen=True, slots=True)
class Sent:
    """How many messages of each kind the broker has taken."""

    blocks: int
    singles: int

    @property
    def messages(self) -> int:
        return self.blocks + self.singles


def channel_id(flow: Flow, channel: int) -> str:
    return f"bridge/b-{channel % flow.gateways:03d}/{name_of(channel)}"


def expected(flow: Flow, sent: Sent, channel: int) -> tuple[Int64s, Float64s]:
    """Return times and values of what was sent of a channel, in order."""
    singles = channel >= flow.block_channels
    load = flow.singles if singles else flow.blocks
    count = sent.singles if singles else sent.blocks
    numbers = np.arange(channel - load.first_channel, count, load.channels, dtype=np.int64)
    turns = numbers // load.channels
    waves = np.random.default_rng(1).normal(20, 2, (64, max(1, load.samples))).astype(np.float32)
    rows = waves[numbers % 64]
    if singles:
        time_ns = load.first_ns + turns * load.step_ns + numbers % 1000 * NS_PER_MS
        return time_ns, np.array([float(f"{value:.2f}") for value in rows[:, 0]])
    first_ns = load.first_ns + turns * load.samples * SAMPLE_NS
    times_ns = first_ns[:, None] + np.arange(load.samples, dtype=np.int64) * SAMPLE_NS
    return times_ns.ravel(), rows.astype(np.float64).ravel()


class EndlessSender:
    """A process that sends a flow at its pace until it is told to stop, and says how much it was."""

    def __init__(self, port: int, flow: Flow) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process: Any = context.Process(target=_send, args=(port, flow, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._ours.recv()

    def finish(self) -> Sent:
        """Stop sending; return what was sent when the broker has all of it."""
        self._ours.send("stop")
        sent: Sent = self._ours.recv()
        self._process.join()
        return sent

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()


def _send(port: int, flow: Flow, pipe: Connection) -> None:
    sock = connect(port, "bench-endless")
    sock.setblocking(False)
    pipe.send("ready")
    pipe.send(_Sending(sock, flow).until_told(pipe))
    sock.close()


class _Sending:
    def __init__(self, sock: socket.socket, flow: Flow) -> None:
        self._sock = sock
        self._kinds = (
            (flow.blocks_per_s, flow.blocks.payloads()),
            (float(flow.json_per_s), flow.singles.payloads()),
        )
        self._sent = [0, 0]
        self._numbers = itertools.count()
        self._left = b""
        self._settled_bytes = 0

    def until_told(self, pipe: Connection) -> Sent:
        began_s = time.monotonic()
        while not pipe.poll():
            if not self._left:
                self._left = b"".join(self._due(time.monotonic() - began_s))
            self._exchange()
        while self._left or self._settled_bytes < 4 * sum(self._sent):
            self._exchange()
        return Sent(*self._sent)

    def _due(self, passed_s: float) -> Iterator[bytes]:
        for kind, (per_s, payloads) in enumerate(self._kinds):
            while self._sent[kind] < int(passed_s * per_s):
                if sum(self._sent) - self._settled_bytes // 4 >= IN_FLIGHT_MAX:
                    return
                self._sent[kind] += 1
                yield publish_packet(*next(payloads), next(self._numbers))

    def _exchange(self) -> None:
        readable, writable, _ = select.select(
            [self._sock], [self._sock] if self._left else [], [], _LOOK_S
        )
        if readable:
            self._settled_bytes += len(self._sock.recv(1 << 16))
        if writable:
            self._left = self._left[self._sock.send(self._left) :]
        elif not self._left:
            time.sleep(_LOOK_S / 2)
