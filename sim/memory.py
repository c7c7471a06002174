"""Freed memory is kept for the next arrays."""

from __future__ import annotations

import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>
_KEPT_BYTES = 1 << 30
_LARGEST_MMAP_THRESHOLD = 1 << 25


def keep_freed_memory() -> None:
    """Ask the GNU C library to keep freed arrays for the next ones instead of handing them back each time.

    Handing back costs a page fault for every page of every temporary array. Elsewhere this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        import ctypes

        library = ctypes.CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
