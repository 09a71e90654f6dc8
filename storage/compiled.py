"""numba's decorator, typed, and the few machine instructions that numpy has no word for."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic  # numba calls what it decorates without the first argument
_config: Any = numba.config  # its settings are made at import, where no type checker sees them
Function = TypeVar("Function", bound=Callable[..., Any])


def njit(function: Function) -> Function:
    """Compile ``function`` at its first call, keep it on disk, and run it without the GIL.

    The function as written stays at ``function.py_func``. A pass is made of several files, while
    numba looks at one; so the cache lies in a folder named after the text of all of them.
    """
    previous = _config.CACHE_DIR
    _config.CACHE_DIR = str(_CACHE)
    try:
        compiled = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba's word for "no folder to write to"
        compiled = numba.njit(nogil=True, error_model="numpy")(function)
    finally:
        _config.CACHE_DIR = previous
    return cast(Function, compiled)


def _cache_folder() -> Path:
    package = Path(__file__).parent
    digest = blake2b(digest_size=8)
    for path in (Path(__file__), *sorted((package / "archive").glob("line*.py"))):
        digest.update(path.read_bytes())
    root = Path(_config.CACHE_DIR or package / "__pycache__")
    return root / f"passes-{digest.hexdigest()}"


_CACHE = _cache_folder()


@intrinsic  # type: ignore[untyped-decorator]
def multiply_high(_context: Any, a: Any, b: Any) -> Any:
    """Return the upper 64 bits of the product of two 64-bit numbers."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        left, right = (builder.zext(each, wide) for each in arguments)
        product = builder.mul(left, right)
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


def _pointer(builder: Any, address: Any, bits: int) -> Any:
    return builder.inttoptr(address, ir.PointerType(ir.IntType(bits)))


@intrinsic  # type: ignore[untyped-decorator]
def load8(_context: Any, address: Any) -> Any:
    """Return the eight bytes at an address, aligned or not."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(builder, arguments[0], 64), align=1)

    return types.uint64(types.uint64), generate


def _store(bits: int, kind: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def store(_context: Any, address: Any, value: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            builder.store(arguments[1], _pointer(builder, arguments[0], bits), align=1)
            return _context.get_dummy_value()

        return types.void(types.uint64, kind), generate

    return store


store8 = _store(64, types.uint64)
store1 = _store(8, types.uint8)


@intrinsic  # type: ignore[untyped-decorator]
def bits_of(_context: Any, value: Any) -> Any:
    """Return the 64 bits of a float."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.uint64(types.float64), generate


@intrinsic  # type: ignore[untyped-decorator]
def trailing_zeros(_context: Any, value: Any) -> Any:
    """Return how many zero bits stand below the lowest set one."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def leading_zeros(_context: Any, value: Any) -> Any:
    """Return how many zero bits stand above the highest set one."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator]
def copy32(_context: Any, to: Any, source: Any) -> Any:
    """Copy 32 bytes from one address to another."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        wide = ir.PointerType(ir.VectorType(ir.IntType(64), 4))
        target, origin = (builder.inttoptr(each, wide) for each in arguments)
        builder.store(builder.load(origin, align=1), target, align=1)
        return _context.get_dummy_value()

    return types.void(types.uint64, types.uint64), generate
