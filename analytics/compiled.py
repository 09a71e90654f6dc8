"""numba's decorator, typed, with the options that every compiled pass of the house shares.

numba looks for a stale cache in the file of the function alone, while our passes are made of several
files. So the cache lies in a folder named after the text of the whole package: after a change, of
whichever file, a pass is compiled again.
"""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_config: Any = numba.config  # its settings are made at import, where no type checker sees them
Function = TypeVar("Function", bound=Callable[..., Any])


def njit(function: Function) -> Function:
    """Compile ``function`` at its first call, keep it on disk, and run it without the GIL.

    The function as written stays at ``function.py_func``: it is the oracle of its compiled self.
    Where nothing can be written, it is compiled anew in each process.
    """
    previous = _config.CACHE_DIR
    _config.CACHE_DIR = str(_CACHE)
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba's word for "no folder to write to"
        compiled = numba.njit(nogil=True)(function)
    finally:
        _config.CACHE_DIR = previous
    return cast(Function, compiled)


def _cache_folder() -> Path:
    package = Path(__file__).parent
    digest = blake2b(digest_size=8)
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    root = Path(_config.CACHE_DIR or package / "__pycache__")
    return root / f"passes-{digest.hexdigest()}"


_CACHE = _cache_folder()
