"""``make bench``: measure every row, or those named, and write what came out."""

import os
import sys
import time

from rich.console import Console

from bench import report
from bench.lab import Lab
from bench.rows import ROWS
from service.broker import find_mosquitto

console = Console(stderr=True)


def main(names: list[str]) -> int:
    if find_mosquitto() is None:
        console.print("mosquitto is not installed: apt-get install mosquitto")
        return 1
    unknown = set(names) - {row.key for row in ROWS}
    if unknown:
        console.print(f"no such row: {', '.join(sorted(unknown))}")
        return 1
    about = report.machine()
    loads = [os.getloadavg()[0]]
    began_s = time.monotonic()
    results, lab = [], Lab()
    try:
        for row in ROWS:
            if names and row.key not in names:
                continue
            results.append(row.run(lab))
            last = results[-1]
            console.print(
                f"[dim]{time.monotonic() - began_s:5.0f} s[/]  {last.key} "
                f"{report.number_text(last.value)} {last.unit}"
            )
    finally:
        lab.close()
    loads.append(os.getloadavg()[0])
    about["load"] = " / ".join(f"{load:.1f}" for load in loads)
    about["seconds"] = round(time.monotonic() - began_s)
    report.show(results, about)
    if not names:
        report.write(results, about)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
