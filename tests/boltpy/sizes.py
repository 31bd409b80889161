"""How large the big tests are: the same code runs with a number for each kind of run.

The pure-Python kernels get fewer rounds than the C ones, and BOLTPY_DEEP=1 asks for the long run.
"""

from __future__ import annotations

import os

import boltpy

DEEP = os.environ.get("BOLTPY_DEEP") == "1"


def sized(c: int, py: int, deep: int) -> int:
    """The number for this run: `c` or `py` after the kernels in use, `deep` when the long run was asked for."""
    if DEEP:
        return deep
    return c if boltpy.HOT == "c" else py
