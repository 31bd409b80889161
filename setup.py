"""Builds the optional C extension `boltpy.hot._kernels`; everything else about the package is in pyproject.toml.

The extension only makes things faster, so a machine without a C compiler still gets a complete install: a compile that
fails is reported in one line and left out. The environment variable BOLTPY_BUILD changes that:

    (unset)   try to compile, go on without the extension if that fails
    require   a compile that fails is an error (for automated checks and for those who package wheels)
    pure      do not try; the wheel is then free of any platform
"""

import os
import sysconfig

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

MODES = ("auto", "require", "pure")
mode = os.environ.get("BOLTPY_BUILD") or "auto"
if mode not in MODES:
    raise SystemExit(f"BOLTPY_BUILD must be one of {', '.join(MODES)}; it is {mode!r}")


class BuildKernels(build_ext):
    """Unless the extension is required, let a compile that fails pass with one line."""

    def finalize_options(self):
        super().finalize_options()
        for extension in self.extensions or ():
            # An editable install would otherwise insist on copying the file that was not built.
            extension.optional = mode != "require"

    def build_extension(self, extension):
        try:
            super().build_extension(extension)
        except (BaseError, CCompilerError) as error:
            if not extension.optional:
                raise
            print(f"boltpy: the C extension is left out, everything runs in pure Python ({error})", flush=True)


options = {}
if not sysconfig.get_config_var("Py_GIL_DISABLED"):
    # One wheel for 3.11 and all later versions. The free-threaded builds have no such stable interface to build for.
    options["bdist_wheel"] = {"py_limited_api": "cp311"}

setup(
    cmdclass={"build_ext": BuildKernels},
    cffi_modules=[] if mode == "pure" else ["boltpy/hot/build.py:ffibuilder"],
    options=options,
)
