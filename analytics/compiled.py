"""numba's decorator, typed, with the options that every compiled pass of the house shares."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def njit(function: Function) -> Function:
    """Compile ``function`` at its first call, keep it on disk, and run it without the GIL.

    The function as written stays at ``function.py_func``: it is the oracle of its compiled self.
    """
    return cast(Function, numba.njit(cache=True, nogil=True)(function))
