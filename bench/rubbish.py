"""What rubbish does to the others: publish to alarm for an honest gateway, with and without it.

One gateway sends 10,000 messages a second that nobody can decode; the others send a city's minute
of single JSON readings. ``python -m bench.rubbish`` prints both; the limits are those of a
deployment, but for the burst, which is made small so that refusing is measured and not the burst.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.bed import Bed, running_service
from bench.city import DISTRICT, Load
from bench.latency import Latency, measure_latency
from bench.wire import Sender
from domain.time import NS_PER_S
from ingest.topics import build_data_topic

CHANNELS, GATEWAYS = 2_000, 20
HONEST_PER_S = 1_400
RUBBISH_PER_S = 10_000
SECONDS, TOGGLES = 60, 300
BURST = 20_000
WILD = "gw-wild"


@dataclass(frozen=True, slots=True)
class Rubbish:
    """Messages that are no JSON, each another."""

    messages: int

    def payloads(self) -> Iterator[tuple[str, bytes]]:
        topic = build_data_topic(DISTRICT, WILD, "json")
        for number in range(self.messages):
            yield topic, b"rubbish %d \xff{[" % number


def honest(ago_s: float) -> Load:
    messages = HONEST_PER_S * (SECONDS + 4)
    return Load(messages, 0, CHANNELS, GATEWAYS, int(time.time() - ago_s) * NS_PER_S)


def measure(bed: Bed, ago_s: float, *, rubbish: bool) -> Latency:
    sender = None
    if rubbish:
        load = Rubbish(RUBBISH_PER_S * (SECONDS + 6))
        sender = Sender(bed.mqtt_port, load.payloads, RUBBISH_PER_S)
        sender.ready()
        sender.start()
        time.sleep(2.0)
    try:
        return measure_latency(bed, honest(ago_s), HONEST_PER_S, TOGGLES, SECONDS)
    finally:
        if sender is not None:
            sender.stop()


def main() -> int:
    with running_service(CHANNELS, GATEWAYS, gateway_frames_burst=BURST) as bed:
        measure_latency(bed, honest(9_000), HONEST_PER_S, 20, 5)  # what compiles at its first use
        for name, rubbish, ago_s in (("without", False, 6_000), ("with", True, 3_000)):
            found = measure(bed, ago_s, rubbish=rubbish)
            sys.stdout.write(
                f"{name} rubbish: p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms, worst "
                f"{found.worst_ms:.1f} ms over {found.count} toggles, host {found.host_share:.0%}; "
                f"while it was quiet {found.quiet}\n"
            )
        sys.stdout.write(f"{_refused(bed)}\n")
    return 0


def _refused(bed: Bed) -> str:
    fates = {}
    for fate, reason in (("refused", "rate"), ("undecodable", "syntax")):
        name = f'lifeline_ingested_total\\{{fate="{fate}",reason="{reason}",unit="frames"\\}}'
        fates[fate] = int(bed.metric(name))
    return f"of the rubbish {fates['refused']:,} were refused, {fates['undecodable']:,} judged"


if __name__ == "__main__":
    sys.exit(main())
