"""The deployment's files, read once, for the tests that hold them together."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from service.settings import ROOT, Settings

DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
METRIC = re.compile(r"\b(?:lifeline|process)_[a-z_]+")


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))


@cache
def alerts() -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


def is_setting(variable: str) -> bool:
    """Whether the service knows this variable, or the file of it."""
    name = variable.removeprefix("LIFELINE_").removesuffix("_FILE").lower()
    return variable == "LIFELINE_SETTINGS" or name in Settings.model_fields


def interpolated(value: str) -> str:
    """Return a value of the compose file with nothing set in the environment."""
    return re.sub(r"\$\{[A-Z_]+:-(.*)\}", r"\1", value)


def host_path(volume: str) -> Path | None:
    """Return what a bind mount takes from the host; ``None`` for a named volume."""
    source = interpolated(volume.rsplit(":", 2 if volume.endswith(":ro") else 1)[0])
    return ROOT / source if source.startswith(".") else None


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that a PromQL expression names."""
    return set(METRIC.findall(re.sub(r"\{[^}]*\}", "", expression)))


def tracked() -> list[Path]:
    return sorted(
        path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts
    )
