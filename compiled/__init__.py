"""numba's decorator, typed, with the options that every compiled pass of the house shares.

numba looks for a stale cache in the file of the function alone, while our passes are made of several
files. So the cache of a package's passes lies in a folder named after the text of all its files: after
a change, of whichever, they are compiled again.

numba will not even read a cache where it cannot write. An installation that others may only read (an
image with a read-only root, ``/opt``) is therefore warmed when it is made (``lifeline warm``), and each
process works on a copy of that folder in the temporary directory, a megabyte or two.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_config: Any = numba.config  # its settings are made at import, where no type checker sees them
Function = TypeVar("Function", bound=Callable[..., Any])
_passes: dict[str, Any] = {}


def njit(function: Function) -> Function:
    """Compile ``function`` at its first call, keep it on disk, and run it without the GIL.

    The function as written stays at ``function.py_func``: it is the oracle of its compiled self.
    Where nothing can be written, it is compiled anew in each process.
    """
    return _compile(function)


def njit_unchecked(function: Function) -> Function:
    """Compile like ``njit``; a division by zero gives infinity, as in numpy, and raises nothing."""
    return _compile(function, error_model="numpy")


def njit_inlined(function: Function) -> Function:
    """Compile like ``njit``, into its callers: for what is handed many arrays.

    A call would count a reference to each of them, which can cost more than the work.
    """
    return _compile(function, inline="always")


def _compile(function: Function, **options: Any) -> Function:
    previous = _config.CACHE_DIR
    _config.CACHE_DIR = str(_cache_folder(function.__module__.partition(".")[0]))
    try:
        compiled = numba.njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba's word for "no folder to write to"
        compiled = numba.njit(nogil=True, **options)(function)
    finally:
        _config.CACHE_DIR = previous
    _passes[f"{function.__module__}.{function.__qualname__}"] = compiled
    return cast(Function, compiled)


def passes() -> dict[str, tuple[int, int]]:
    """Return each pass imported so far, with how many of its forms came from disk, and were made."""
    counts = {}
    for name, compiled in sorted(_passes.items()):
        stats = compiled.stats
        counts[name] = (sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
    return counts


@cache
def _cache_folder(name: str) -> Path:
    """Return where the passes of a package are kept."""
    here = Path(__file__).parent
    package = here.parent / name
    digest = blake2b(digest_size=8)
    for path in (*sorted(here.rglob("*.py")), *sorted(package.rglob("*.py"))):
        digest.update(path.read_bytes())
    root = Path(_config.CACHE_DIR or package / "__pycache__")
    folder = root / f"passes-{digest.hexdigest()}"
    return _copied(folder) if folder.is_dir() and not _writable(folder) else folder


def _writable(folder: Path) -> bool:
    """Whether files can be made in ``folder`` and in what numba has made in it."""
    return all(os.access(each, os.W_OK) for each in (folder, *folder.iterdir()) if each.is_dir())


def _copied(folder: Path) -> Path:
    """Return a copy of ``folder`` that this process may write to, and leaves nothing of behind."""
    try:
        place = Path(tempfile.mkdtemp(prefix="lifeline-passes-"))
    except OSError:  # nowhere to write at all: compiled anew, as without a cache
        return folder
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    shutil.copytree(folder, place / folder.name, copy_function=shutil.copy)
    for each in (place / folder.name, *(place / folder.name).rglob("*")):
        each.chmod(0o700 if each.is_dir() else 0o600)
    return place / folder.name
