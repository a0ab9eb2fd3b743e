"""Keeps None, True and False alive under Qt on Python 3.11, where PySide6's wheels take a reference of them with every call.

WORKAROUND(https://peps.python.org/pep-0683/): the stable-ABI wheels of PySide6 6.12 are compiled against headers in which these
objects are immortal, as they are from Python 3.12 on, so that what returns None no longer counts it. On 3.11 the count falls by
one with every call, until "none_dealloc: deallocating None" ends the program, after some ten thousand calls.
"""

from __future__ import annotations

import ctypes
import sys

IMMORTAL_SINCE = (3, 12)
PLENTY = 1 << 60


def hold_singletons() -> None:
    """Give the singletons more references than any run can take away; does nothing where they are immortal already."""
    if sys.version_info >= IMMORTAL_SINCE or sys.getrefcount(None) >= PLENTY // 2:
        return
    for single in (None, True, False, NotImplemented, Ellipsis):
        # CPython's object header begins with the count; id() is its address
        ctypes.c_ssize_t.from_address(id(single)).value += PLENTY
