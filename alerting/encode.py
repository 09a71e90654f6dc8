"""Alarms as plain values and back, for snapshots."""

from dataclasses import fields
from typing import Any

from domain.alarm import Alarm, CommandResult
from domain.grade import Condition, Grade

_FIELDS = tuple(field.name for field in fields(Alarm))


def encode_alarm(alarm: Alarm) -> dict[str, Any]:
    """Return the alarm as a mapping of plain values."""
    plain: dict[str, Any] = {name: getattr(alarm, name) for name in _FIELDS}
    plain["condition"] = alarm.condition.value
    plain["grade"] = int(alarm.grade)
    plain["peak_grade"] = int(alarm.peak_grade)
    return plain


def decode_alarm(plain: dict[str, Any]) -> Alarm:
    """Return the alarm that `encode_alarm` made plain."""
    nouns = {
        "condition": Condition(plain["condition"]),
        "grade": Grade(plain["grade"]),
        "peak_grade": Grade(plain["peak_grade"]),
    }
    return Alarm(**{**plain, **nouns})


def encode_result(result: CommandResult) -> dict[str, Any]:
    """Return the result of a command as a mapping of plain values."""
    alarm = encode_alarm(result.alarm) if result.alarm is not None else None
    return {
        "command_id": result.command_id,
        "status": result.status,
        "problem": result.problem,
        "alarm": alarm,
    }


def decode_result(plain: dict[str, Any]) -> CommandResult:
    """Return the result that `encode_result` made plain."""
    alarm = decode_alarm(plain["alarm"]) if plain["alarm"] is not None else None
    return CommandResult(plain["command_id"], plain["status"], plain["problem"], alarm)
