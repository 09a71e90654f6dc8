"""Writes what comes from the code: tables in docs/, payloads, the settings' example, dashboards.

``python -m tools.reference`` writes them; a test holds that they are up to date.
"""

import inspect
import json
import math
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from analytics.features import KINDS, inputs_of
from analytics.features.protocol import Parameter
from domain.accounting import Reason
from domain.readings import FLAG_RECEIVED_TIME
from domain.time import format_rfc3339
from ingest.wire import DECODERS, Decoded
from service.settings import ROOT, Settings
from service.webhook_settings import WebhookSettings
from simulators.scenarios import SCENARIOS, Scenario
from tools import dashboards

BEGIN = "<!-- {name}: written by `make reference`, from the code -->"
END = "<!-- end of {name} -->"


def settings_table() -> str:
    """Return a table of all settings."""
    rows = [
        f"| `{name}` | `LIFELINE_{name.upper()}` | {_default(field)} | {field.description}{_choices(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | variable | default | meaning |", "|---|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        value = value.relative_to(ROOT)
    return f"`{value}`"


def _choices(field: FieldInfo) -> str:
    """Return the words of a setting that has but a few."""
    words = getattr(field.annotation, "__args__", ())
    named = words and all(isinstance(word, str) for word in words)
    return f" ({', '.join(words)})" if named else ""


def features_table() -> str:
    """Return a table of all kinds of feature with their parameters."""
    rows = []
    for name, kind in sorted(KINDS.items()):
        for place, parameter in enumerate(kind.PARAMETERS):
            first = f"`{name}` | {_inputs(name)}" if place == 0 else " | "
            rows.append(f"| {first} | `{parameter.name}` | {_described(parameter)} |")
    heading = "| kind | inputs | parameter | meaning | unit | default | may be |"
    return "\n".join([heading, "|---|---|---|---|---|---|---|", *rows])


def _inputs(kind: str) -> str:
    least, most = inputs_of(kind)
    return f"{least}" if least == most else f"{least} to {most}"


def _described(parameter: Parameter) -> str:
    given = "left out" if parameter.optional else "must be given"
    default = given if parameter.default is None else f"{parameter.default}"
    return f"{parameter.meaning} | {parameter.unit} | {default} | {_range(parameter)}"


def _range(parameter: Parameter) -> str:
    if parameter.kind == "ranges":
        return "one for each input"
    if parameter.choices:
        words = ", ".join(parameter.choices)
        return f"code to grade: {words}" if parameter.kind == "grades" else words
    bounds = []
    if parameter.low > -math.inf:
        bounds.append(f"{'above' if parameter.above else 'from'} {parameter.low:g}")
    if parameter.high < math.inf:
        bounds.append(f"to {parameter.high:g}")
    return " ".join(bounds) or "any number"


def webhooks_table() -> str:
    """Return a table of the settings of one webhook."""
    rows = [
        f"| `{name}` | {_webhook_default(field)} | {field.description}{_choices(field)} |"
        for name, field in WebhookSettings.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _webhook_default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "must be given"
    return "" if value is None or value == [] else f"`{value}`"


# Written by hand after each format's specification; what they are read as comes from the decoders.
EXAMPLES: dict[str, tuple[bytes, ...]] = {
    "json": (
        b'{"ts": "2026-09-21T21:00:00.5+08:00", "values": {"D1": 12.4, "pump": true}}',
        b'[{"ts": 1789995600000, "values": {"D1": 12.4}}, {"values": {"D1": null, "T1": 21.5}}]',
    ),
    "block": (
        bytes.fromhex(
            "a4616e6241316274301b18d75783af8320006264741a009896806176d8554c0ad7233c0ad7a33c0ad723bc"
        ),
    ),
    "senml": (
        (
            b'[{"bn": "bridge:", "bt": 1789995600.5, "n": "D1", "u": "mm", "v": 12.4},'
            b' {"n": "D1", "t": -0.01, "u": "mm", "v": 12.3}, {"n": "pump", "vb": true},'
            b' {"n": "label", "vs": "north"}]'
        ),
        bytes.fromhex("81a40062443106c482281b18d75783af83200001626d6d02fb4028cccccccccccd"),
    ),
}
RECEIVED_NS = 1_789_995_601_000_000_000


def payloads_reference() -> str:
    """Return each format's own words, and examples with what they are read as."""
    parts = []
    for name, decoder in sorted(DECODERS.items()):
        words = inspect.getdoc(sys.modules[decoder.__module__]) or ""
        parts.append(f"## `{name}`\n\n{words.replace('``', '`')}")
        for payload in EXAMPLES[name]:
            parts.append(_shown(payload))
            parts.append(_read(decoder(payload, RECEIVED_NS, None)))
    return "\n\n".join(parts)


def _shown(payload: bytes) -> str:
    if payload[0] > 0x7F:
        return f"```text\n{payload.hex()}\n```"
    return f"```json\n{payload.decode()}\n```"


def _read(decoded: Decoded) -> str:
    """Return the readings and refusals of an example as a table."""
    rows = [
        (name, format_rfc3339(time_ns), value, flags)
        for name, time_ns, value, flags in zip(
            decoded.names, decoded.times_ns, decoded.values, decoded.flags, strict=True
        )
    ]
    for block in decoded.blocks:
        times = [format_rfc3339(int(time_ns)) for time_ns in block.time_ns]
        rows += [(block.name, *row, 0) for row in zip(times, block.value.tolist(), strict=True)]
    lines = [
        f"| `{name}` | {time}{' (received)' if flags & FLAG_RECEIVED_TIME else ''} | {float(value):.6g} |"
        for name, time, value, flags in rows
    ]
    lines += [
        f"| `{refusal.channel_name}` | refused: `{refusal.reason}` | {refusal.detail} |"
        for refusal in decoded.refusals
    ]
    return "\n".join(["| name | time | value |", "|---|---|---|", *lines])


def reasons_table() -> str:
    """Return a table of why frames and readings are refused, from the words beside them."""
    words = re.findall(r'^    \w+ = "([a-z-]+)"  # (.*)$', inspect.getsource(Reason), re.MULTILINE)
    rows = [f"| `{reason}` | {meaning} |" for reason, meaning in words]
    return "\n".join(["| reason | what is wrong |", "|---|---|", *rows])


SCENARIOS_SEED = 1


def scenarios_table() -> str:
    """Return what every scenario plays, must raise and may raise, at one seed."""
    rows = []
    for build in SCENARIOS:
        scenario = build(SCENARIOS_SEED)
        kind = build.__module__.rpartition(".")[2]
        story = scenario.story + (
            f" **Falls short:** {scenario.shortfall}" * bool(scenario.shortfall)
        )
        rows.append(
            f"| {scenario.name} | {kind} | {story} | {_musts(scenario)} | {_mays(scenario)} |"
        )
    heading = "| scenario | kind | story | must come | may come |"
    return "\n".join([heading, "|---|---|---|---|---|", *rows])


def _musts(scenario: Scenario) -> str:
    """Return the alarms that must come; of many alike, the first and how many there are."""
    told = [
        f"`{one.channel}` {one.condition.value} {one.grade.word}, {one.first_s:.0f} to {one.last_s:.0f} s"
        + (", returns" if one.returns else "")
        for one in scenario.must
    ]
    shown = told if len(told) <= SHOWN_MAX else [told[0], f"and {len(told) - 1} alike"]
    return "<br>".join(shown) or "nothing"


def _mays(scenario: Scenario) -> str:
    by_condition: dict[str, list[str]] = {}
    for channel, condition in scenario.may:
        by_condition.setdefault(condition.value, []).append(f"`{channel}`")
    return "<br>".join(
        f"{condition} of {', '.join(names) if len(names) <= SHOWN_MAX else f'{len(names)} channels'}"
        for condition, names in by_condition.items()
    )


SHOWN_MAX = 4

TABLES: dict[str, tuple[Path, Any]] = {
    "settings": (ROOT / "docs" / "settings.md", settings_table),
    "features": (ROOT / "docs" / "catalogue.md", features_table),
    "webhooks": (ROOT / "docs" / "webhooks.md", webhooks_table),
    "scenarios": (ROOT / "docs" / "scenarios.md", scenarios_table),
    "payloads": (ROOT / "docs" / "payloads.md", payloads_reference),
    "reasons": (ROOT / "docs" / "payloads.md", reasons_table),
}


def written(name: str) -> tuple[Path, str]:
    """Return the file of a table, and what it should hold; raises ``ValueError`` without marks."""
    path, table = TABLES[name]
    text = path.read_text(encoding="utf-8")
    begin, end = BEGIN.format(name=name), END.format(name=name)
    head, begun, rest = text.partition(begin)
    _, ended, tail = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{path} has no place for the table {name!r}: write {begin} and {end}")
    return path, f"{head}{begin}\n\n{table()}\n\n{end}{tail}"


EXAMPLE = ROOT / "deploy" / "lifeline.toml"
EXAMPLE_HEAD = """\
# Lifeline's settings: every one there is, with its default. Written by `make reference`.
# Take away the # before what you change. A variable LIFELINE_NAME wins over this file, and a secret
# belongs into a file of its own that LIFELINE_NAME_FILE names: docs/settings.md.
"""


def example() -> str:
    """Return a settings file in which everything is a comment."""
    return "\n".join([EXAMPLE_HEAD, *(_commented(*each) for each in Settings.model_fields.items())])


def _commented(name: str, field: FieldInfo) -> str:
    words = textwrap.wrap(f"{field.description}{_choices(field)}", 98)
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path):
        value = str(value.relative_to(ROOT) if value.is_relative_to(ROOT) else value)
    line = f"# {name} =" if value is None else f"#{name} = {json.dumps(value)}"
    return "\n".join([*(f"# {word}" for word in words), line, ""])


def main() -> None:
    """Write everything."""
    for name in TABLES:
        path, text = written(name)
        path.write_text(text, encoding="utf-8")
    EXAMPLE.write_text(example(), encoding="utf-8")
    dashboards.main()


if __name__ == "__main__":
    main()
