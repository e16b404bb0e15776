"""Memory that a process frees and will need again."""

import ctypes


def keep_freed_memory() -> None:
    """Have the C library reuse what arrays free, which it would give back and get zeroed again.

    Saves some 5 % of a training step on the CPU and lowers its peak; a tenth or more of curating,
    whose peak it raises by a twentieth. Only glibc takes the hint.
    """
    if hasattr(library := ctypes.CDLL(None), "mallopt"):
        trim_threshold, mmap_max = -1, -4  # as malloc.h numbers them
        library.mallopt(trim_threshold, -1)
        library.mallopt(mmap_max, 0)
