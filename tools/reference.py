"""Writes what comes from the code: tables in docs/, the example of the settings' file, dashboards.

``python -m tools.reference`` writes them; a test holds that they are up to date.
"""

import json
import math
import textwrap
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from analytics.features import KINDS
from analytics.features.protocol import Parameter
from service.settings import ROOT, Settings
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
            first = f"`{name}` | {kind.INPUTS}" if place == 0 else " | "
            rows.append(f"| {first} | `{parameter.name}` | {_described(parameter)} |")
    heading = "| kind | inputs | parameter | meaning | unit | default | may be |"
    return "\n".join([heading, "|---|---|---|---|---|---|---|", *rows])


def _described(parameter: Parameter) -> str:
    given = "left out" if parameter.optional else "must be given"
    default = given if parameter.default is None else f"{parameter.default}"
    return f"{parameter.meaning} | {parameter.unit} | {default} | {_range(parameter)}"


def _range(parameter: Parameter) -> str:
    if parameter.choices:
        words = ", ".join(parameter.choices)
        return f"code to grade: {words}" if parameter.kind == "grades" else words
    bounds = []
    if parameter.low > -math.inf:
        bounds.append(f"{'above' if parameter.above else 'from'} {parameter.low:g}")
    if parameter.high < math.inf:
        bounds.append(f"to {parameter.high:g}")
    return " ".join(bounds) or "any number"


TABLES: dict[str, tuple[Path, Any]] = {
    "settings": (ROOT / "docs" / "settings.md", settings_table),
    "features": (ROOT / "docs" / "catalogue.md", features_table),
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
