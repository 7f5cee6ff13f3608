"""Caches that live as long as their generator, and the C library's reuse of freed memory."""

import ctypes
import platform
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch

T = TypeVar("T")


def kept(function: Callable[..., T]) -> Callable[..., T]:
    """functools.cache for a function of a generator; the cache does not keep the generator alive."""
    known: WeakKeyDictionary[Any, dict[tuple[Any, ...], T]] = WeakKeyDictionary()

    @wraps(function)
    def remembered(generator: Any, *rest: Any) -> T:
        results = known.setdefault(generator, {})
        if rest not in results:
            with torch.inference_mode(False):  # what is kept may be needed where there are gradients
                results[rest] = function(generator, *rest)
        return results[rest]

    return remembered


@cache
def keep_freed_memory() -> None:
    """Let glibc reuse large blocks instead of returning them to the system after each operation.

    A synthesis allocates the same hundreds of megabytes every time; asking the system for them anew costs as much as a
    third of its time in page faults. Other platforms are left as they are.
    """
    if platform.system() == "Linux":
        never_map, trim_above = (-4, 0), (-1, 2**31 - 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # absent in musl
        for option in (never_map, trim_above):
            if mallopt is not None:
                mallopt(*option)
