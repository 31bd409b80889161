"""Tells cffi how to build `boltpy.hot._kernels`. Used by setup.py only; nothing imports it at run time."""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent

# cffi lets other threads run during each call. Beside a thread that computes, a kernel of a microsecond then waits up
# to 5 ms until it may return. So those that are always short keep the interpreter's lock: cffi names the function
# around kernel f "_cffi_f_f", and takes these two macros for granted.
_SHORT = ("bp_get", "bp_find", "bp_nested", "bp_scan", "bp_scan_pairs")
_KEEP_THE_LOCK = """
#include <string.h>
#define IS_SHORT(f) ({})
#undef Py_BEGIN_ALLOW_THREADS
#undef Py_END_ALLOW_THREADS
#define Py_BEGIN_ALLOW_THREADS {{ PyThreadState *others = IS_SHORT(__func__) ? NULL : PyEval_SaveThread();
#define Py_END_ALLOW_THREADS if (others) PyEval_RestoreThread(others); }}
""".format(" || ".join(f'!strcmp(f, "_cffi_f_{name}")' for name in _SHORT))

ffibuilder = FFI()
ffibuilder.cdef((HERE / "kernels.h").read_text())
ffibuilder.set_source(
    "boltpy.hot._kernels",
    f'#include "kernels.c"\n{_KEEP_THE_LOCK}',
    include_dirs=[str(HERE)],
    depends=[str(HERE / "kernels.c"), str(HERE / "kernels.h")],
    extra_compile_args=["-O3"],
)
