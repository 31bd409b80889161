"""Tells cffi how to build `boltpy.hot._kernels`. Used by setup.py only; nothing imports it at run time."""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent

ffibuilder = FFI()
ffibuilder.cdef((HERE / "kernels.h").read_text())
ffibuilder.set_source(
    "boltpy.hot._kernels",
    '#include "kernels.c"',
    include_dirs=[str(HERE)],
    depends=[str(HERE / "kernels.c"), str(HERE / "kernels.h")],
    extra_compile_args=["-O3"],
)
