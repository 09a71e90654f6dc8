"""What is looked at while a service runs for long: a probe's alarms, its memory, and the host."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from bench.bed import Listener
from bench.city import DISTRICT, PROBE_GATEWAY, PROBE_LIMIT
from bench.wire import connect, publish_packet
from domain.time import NS_PER_MS, format_rfc3339
from ingest.topics import build_data_topic

TOGGLE_S = 0.25
SAMPLE_S = 1.0
LOST_AFTER_S = 60.0
QUIET_SHARE, QUIET_MARGIN_S = 0.02, 2.0


class Every(threading.Thread):
    """Does something again and again until it is ended; what goes wrong is raised then."""

    def __init__(self, step: Callable[[], float]) -> None:
        super().__init__(daemon=True)
        self._step = step
        self._ended = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            while not self._ended.wait(self._step()):
                pass
        except Exception as error:
            self._error = error

    def end(self) -> None:
        self._ended.set()
        self.join(30)
        if self._error is not None:
            raise self._error


class Probe:
    """Sends a channel over and under its limit in turn, and knows when each transition came."""

    def __init__(self, mqtt_port: int, http_port: int) -> None:
        self._listener = Listener(http_port)
        self._listener.start()
        self._sock = connect(mqtt_port, "bench-probe")
        self._topic = build_data_topic(DISTRICT, PROBE_GATEWAY, "json")
        self._random = np.random.default_rng(2)
        self.sent_s: dict[str, float] = {}  # by event time
        self._toggling = Every(self._toggle)
        self._toggling.start()

    def _toggle(self) -> float:
        number = len(self.sent_s)
        # Event times are of the present, on whole milliseconds, no two alike.
        text = format_rfc3339(time.time_ns() // NS_PER_MS * NS_PER_MS)
        value = PROBE_LIMIT + (50 if number % 2 == 0 else -50)
        payload = f'{{"ts":"{text}","values":{{"level":{value}}}}}'.encode()
        self.sent_s[text] = time.monotonic()
        self._sock.sendall(publish_packet(self._topic, payload, number))
        self._sock.recv(4)
        return float(self._random.uniform(0.5, 1.5)) * TOGGLE_S

    def finish(self) -> None:
        """Send no more; return when every transition has come. Raises where one does not."""
        self._toggling.end()
        deadline_s = time.monotonic() + LOST_AFTER_S
        while missing := self.sent_s.keys() - self._listener.came_s.keys():
            if time.monotonic() > deadline_s:
                raise RuntimeError(
                    f"{len(missing)} transitions did not come: {sorted(missing)[:9]}"
                )
            time.sleep(0.1)
        self._listener.close()
        self._sock.close()

    def took_ms(self, begin_s: float, end_s: float, host: "Host | None" = None) -> list[float]:
        """Return how long the transitions took whose reading was sent between two moments.

        With ``host`` only of those that were under way while it was quiet.
        """
        between = {text: at_s for text, at_s in self.sent_s.items() if begin_s <= at_s < end_s}
        return took_ms(self._listener.came_s, between, host)


class Host:
    """What the host of a shared machine takes of its processors for others, twice a second.

    Where it takes a third for ten minutes, and nothing for the next ten, a comparison says who was
    measured when. So the same is asked of the quiet seconds alone.
    """

    def __init__(self) -> None:
        self._at_s: list[float] = []
        self._taken_s: list[float] = []
        self._sampling = Every(self._sample)
        self._sampling.start()

    def _sample(self) -> float:
        first = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0]
        self._taken_s.append(int(first.split()[8]) / os.sysconf("SC_CLK_TCK"))
        self._at_s.append(time.monotonic())
        return SAMPLE_S / 2

    def finish(self) -> None:
        self._sampling.end()

    def share(self, begin_s: float, end_s: float) -> float:
        """Return what part of all processors it took between two moments."""
        before, after = np.interp([begin_s, end_s], self._at_s, self._taken_s)
        return float((after - before) / (end_s - begin_s) / (os.cpu_count() or 1))

    def is_quiet(self, begin_s: float, end_s: float) -> bool:
        """Whether it took next to nothing from some seconds before to some seconds after."""
        return self.share(begin_s - QUIET_MARGIN_S, end_s + QUIET_MARGIN_S) <= QUIET_SHARE


def took_ms(
    came_s: Mapping[str, float], sent_s: Mapping[str, float], host: Host | None = None
) -> list[float]:
    """Return how long each transition took; with ``host`` only of those while it was quiet."""
    return [
        (came_s[text] - at_s) * 1e3
        for text, at_s in sent_s.items()
        if host is None or host.is_quiet(at_s, came_s[text])
    ]


class Memory:
    """The resident memory of a process, each second, in MiB."""

    def __init__(self, process_id: int) -> None:
        self._status = Path(f"/proc/{process_id}/status")
        self.samples: list[tuple[float, float]] = []
        self._sampling = Every(self._sample)
        self._sampling.start()

    def _sample(self) -> float:
        for line in self._status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS"):
                self.samples.append((time.monotonic(), int(line.split()[1]) / 1024))
        return SAMPLE_S

    def finish(self) -> None:
        self._sampling.end()

    def peak_mib(self, begin_s: float, end_s: float) -> float:
        return max((mib for at_s, mib in self.samples if begin_s <= at_s < end_s), default=0.0)
