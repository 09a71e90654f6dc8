"""Arithmetic in catalogues: ``0.8 * design``, ``min(crown, ground - 0.5)``; nothing else."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

LENGTH_MAX = 256

_TOKEN = re.compile(
    r"\s*(?:[A-Za-z_][A-Za-z0-9_]*|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|[-+*/(),])\s*",
    re.ASCII,
)
_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max}


class ExpressionError(ValueError):
    """An expression that cannot be read, or has no finite value."""


class UnknownNameError(ExpressionError):
    """An expression uses a name that has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` has no value")
        self.name = name


@lru_cache(maxsize=4096)
def parse(text: str) -> ast.expr:
    """Return the tree of ``text``; raises ``ExpressionError`` where it is not plain arithmetic.

    The text is read token by token first, so that Python's own parser meets nothing it warns of.
    """
    if len(text) > LENGTH_MAX:
        raise ExpressionError(f"longer than {LENGTH_MAX} characters")
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise ExpressionError("not plain arithmetic (+ - * / parentheses min max)")
        place = token.end()
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError("not plain arithmetic (+ - * / parentheses min max)") from None
    names(tree)
    return tree


def names(tree: ast.expr) -> tuple[str, ...]:
    """Return the names that a tree uses; raises ``ExpressionError`` for anything but arithmetic."""
    match tree:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return ()
        case ast.Name(id=name) if name not in _FUNCTIONS:
            return (name,)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return names(operand)
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), left=left, right=right):
            return names(left) + names(right)
        case ast.Call(func=ast.Name(id="min" | "max"), args=[_, *_] as given, keywords=[]):
            return tuple(name for inner in given for name in names(inner))
    raise ExpressionError("not plain arithmetic (+ - * / parentheses min max)")


def evaluate(text: str, values: Mapping[str, float]) -> float:
    """Return the finite value of ``text`` with ``values`` for its names.

    Raises ``UnknownNameError`` for a name without a value, ``ExpressionError`` otherwise.

    >>> evaluate("0.8 * design", {"design": 150.0})
    120.0
    """
    try:
        value = _value(parse(text), values)
    except ZeroDivisionError:
        raise ExpressionError("divides by zero") from None
    except OverflowError:
        raise ExpressionError("has no finite value") from None
    if not math.isfinite(value):
        raise ExpressionError("has no finite value")
    return value


def _value(tree: ast.expr, values: Mapping[str, float]) -> float:
    match tree:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            if name not in values:
                raise UnknownNameError(name)
            return values[name]
        case ast.UnaryOp(op=op, operand=operand):
            value = _value(operand, values)
            return -value if isinstance(op, ast.USub) else value
        case ast.BinOp(op=op, left=left, right=right):
            return _BINARY[type(op)](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id=name), args=given):
            values_given = [_value(inner, values) for inner in given]
            return _FUNCTIONS[name](values_given)
    raise ExpressionError("not plain arithmetic")
