"""A hint to the processor: this record will be needed soon.

Readings of many channels touch records that lie anywhere in memory, and each waits for its own. Asked
for a few readings ahead, the waits overlap. It changes nothing but time.
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_CACHE_LINE_BYTES = 64
_TO_WRITE, _STAYS, _DATA = 1, 3, 1  # what llvm.prefetch is told
_item_pointer: Any = cgutils.get_item_pointer  # untyped


@intrinsic
def _prefetch(_typing: Any, records: Any, index: Any) -> Any:
    if not isinstance(records, types.Array) or records.ndim != 1:
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, index_type = signature.args
        array = context.make_array(array_type)(context, builder, arguments[0])
        place = context.cast(builder, arguments[1], index_type, types.intp)
        item = _item_pointer(context, builder, array_type, array, [place])
        byte = ir.IntType(8)
        first = builder.bitcast(item, byte.as_pointer())
        number = ir.IntType(32)
        hint = builder.module.declare_intrinsic(
            "llvm.prefetch",
            [byte.as_pointer()],
            ir.FunctionType(ir.VoidType(), [byte.as_pointer(), number, number, number]),
        )
        for line in range(2):
            at = builder.gep(first, [ir.Constant(_word(context), line * _CACHE_LINE_BYTES)])
            builder.call(hint, [at, number(_TO_WRITE), number(_STAYS), number(_DATA)])
        return context.get_dummy_value()

    return types.void(records, index), codegen


def _word(context: Any) -> Any:
    """Return the integer of a pointer's width."""
    return context.get_value_type(types.intp)


prefetch = cast(Callable[[Any, int], None], _prefetch)
"""Ask for the first two cache lines of ``records[index]``; for compiled passes only, and the index
must be within."""
