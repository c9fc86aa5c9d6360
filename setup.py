"""Build the Cython kernels; everything else is declared in pyproject.toml."""

import os

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError, PlatformError


class BuildKernels(build_ext):
    """Compile the extensions side by side, or say plainly that a C compiler is missing."""

    def initialize_options(self):
        super().initialize_options()
        self.parallel = True  # as many at a time as there are processors

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except (CCompilerError, ExecError, PlatformError) as error:
            raise SystemExit(
                f"fastemlp: compiling {ext.name} failed ({error}).\n"
                "A C compiler is needed to install fastemlp from source: on Debian or Ubuntu "
                "'apt install build-essential python3-dev', on macOS 'xcode-select --install', "
                "on Windows the 'Build Tools for Visual Studio'. Then run the same command again."
            ) from error


windows = os.name == "nt"
kernels = [
    Extension(
        f"fastemlp._kernels.{name}",
        [f"fastemlp/_kernels/{name}.pyx"],
        include_dirs=[np.get_include(), "fastemlp/_kernels"],
        depends=[f"fastemlp/_kernels/{name}.h" for name in ("rows", "rows_types", "rows_loops")],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        # what need not set errno or floating-point flags can be done several numbers at a time; symbols for
        # a debugger, which Python's own flags ask for, take a fifth of the time
        extra_compile_args=["/O2"]
        if windows
        else ["-O3", "-fno-math-errno", "-fno-trapping-math", "-g0"],
    )
    for name in ("tape", "updates")
]

setup(
    ext_modules=cythonize(kernels, language_level=3),
    cmdclass={"build_ext": BuildKernels},
)
