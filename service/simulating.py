"""The command ``lifeline simulate --city``: imports the city, sends it, and shows how far it came."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from service.city import answers
from service.city_catalogue import city_catalogue, save_city
from service.city_load import Load, LoadError, Mixed, Said, begin_of, run_load
from service.settings import Settings

__all__ = ["LoadError", "load_of", "simulate_city"]

TOLD_EACH_S = 10.0  # where the output is no terminal

console = Console()


def load_of(
    channels: int,
    mqtt_url: str,
    seed: int,
    seconds: float,
    speed: float,
    processes: int,
    connections: int,
    mix: Sequence[str],
    data: Path | None,
    passwords: Mapping[str, str] | None,
) -> Load:
    """Return the load that the command line asks for; raises ``LoadError``."""
    return Load(
        channels=channels,
        mqtt_url=mqtt_url,
        seed=seed,
        seconds=seconds,
        begin_ns=begin_of(speed, seconds, time.time_ns()),
        speed=speed,
        processes=processes,
        connections_max=connections,
        mixed=tuple(Mixed.parse(text, data) for text in mix),
        passwords=passwords or {},
    )


def simulate_city(load: Load, wait_for: str | None, settings: Settings | None) -> Said:
    """Send the load until it ends, and return its sums; with ``settings`` its catalogue is saved first.

    Raises ``LoadError`` where it breaks off.
    """
    if settings is not None:
        console.print(f"Making the catalogue of {load.channels:,} channels …", style="dim")
        catalogue = city_catalogue(load.channels, [one.catalogue for one in load.mixed])
        revision = asyncio.run(save_city(catalogue, settings.state_location(), time.time_ns()))
        console.print(f"Saved as revision {revision}: {len(catalogue.channels):,} with faults.")
    if wait_for is not None:
        asyncio.run(answers(wait_for))
    began_s, last, told_s = time.monotonic(), Said(0, 0, 0, 0.0, 0), 0.0
    with Live(console=console, refresh_per_second=2, transient=not console.is_terminal) as live:
        for said in run_load(load):
            now, rate = summed(said), last
            passed_s = time.monotonic() - began_s
            line = _line(now, now.sent - rate.sent, passed_s, load.seconds)
            last = now
            if console.is_terminal:
                live.update(line)
            elif passed_s - told_s >= TOLD_EACH_S:
                told_s = passed_s
                console.print(line, highlight=False, soft_wrap=True)
    console.print(f"{last.sent:,} messages sent, {last.settled:,} settled by the broker.")
    return last


def summed(said: Iterable[Said]) -> Said:
    """Return the sums of what processes said; the slowest tells how far all are behind."""
    every = list(said)
    return Said(
        part=len(every),
        sent=sum(one.sent for one in every),
        settled=sum(one.settled for one in every),
        behind_s=max(one.behind_s for one in every),
        connections=sum(one.connections for one in every),
    )


def _line(now: Said, lately: int, passed_s: float, seconds: float) -> str:
    behind = f", {now.behind_s:.1f} s behind" if now.behind_s > 1 else ""
    return (
        f"{passed_s:5.0f} of {seconds:.0f} s   {now.sent:>11,} sent   {now.settled:>11,} settled   "
        f"{lately:>7,}/s   {now.connections:,} connections{behind}"
    )
