"""The few machine instructions that numpy has no word for, for compiled passes only."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

intrinsic: Any = _intrinsic  # numba calls what it decorates without the first argument


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


_CACHE_LINE_BYTES = 64
_TO_WRITE, _STAYS, _DATA = 1, 3, 1  # what llvm.prefetch is told
_item_pointer: Any = cgutils.get_item_pointer  # untyped


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(_context: Any, records: Any, index: Any) -> Any:
    """Ask for the first two cache lines of ``records[index]``; the index must be within.

    Readings of many channels touch records that lie anywhere in memory, and each waits for its own.
    Asked for a few readings ahead, the waits overlap. It changes nothing but time.
    """

    def generate(_context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, index_type = signature.args
        array = _context.make_array(array_type)(_context, builder, arguments[0])
        place = _context.cast(builder, arguments[1], index_type, types.intp)
        item = _item_pointer(_context, builder, array_type, array, [place])
        byte, number = ir.IntType(8), ir.IntType(32)
        first = builder.bitcast(item, byte.as_pointer())
        form = ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [byte.as_pointer()], form)
        word = _context.get_value_type(types.intp)
        for line in range(2):
            at = builder.gep(first, [ir.Constant(word, line * _CACHE_LINE_BYTES)])
            builder.call(hint, [at, number(_TO_WRITE), number(_STAYS), number(_DATA)])
        return _context.get_dummy_value()

    return types.void(records, index), generate
