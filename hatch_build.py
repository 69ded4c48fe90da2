"""Compiles the kernel where a C compiler is there; an installation without one, or with WAYPOST_PURE set, works in numpy."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNEL = Path("src/waypost/kernel")
# Fractions must come out as numpy has them: no two operations become one.
OPTIONS = [] if sys.platform == "win32" else ["-O3", "-g0", "-ffp-contract=off"]


class KernelHook(BuildHookInterface[Any]):
    """Puts the kernel beside its source, for an editable installation, and into the wheel, which is then for one platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds it before the wheel is. No error of it ends the installation."""
        del version
        module = Path(self.root, KERNEL, f"native{sysconfig.get_config_var('EXT_SUFFIX')}")
        try:
            # What an earlier installation built may not fit the source.
            module.unlink(missing_ok=True)
            if os.environ.get("WAYPOST_PURE"):
                return
            compile_to(module, Path(self.root))
        except Exception as error:  # noqa: BLE001 - Cython, setuptools and compilers fail in many ways, and none matters
            self.app.display_warning(f"waypost: no compiled kernel, numpy is used instead: {error}")
            return
        build_data["artifacts"].append(module.relative_to(self.root).as_posix())
        build_data["infer_tag"] = True
        build_data["pure_python"] = False


def compile_to(module: Path, root: Path) -> None:
    """Writes the extension module, whole or not at all: to load a part of one ends the process. Nothing else stays."""
    import numpy as np  # noqa: PLC0415 - an environment without one of these must build a wheel too
    from Cython.Build import cythonize  # noqa: PLC0415 - as above
    from setuptools import Distribution, Extension  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory() as folder:
        source = Path(shutil.copy(root / KERNEL / "native.pyx", folder))
        extension = Extension(
            "native",
            [str(source)],
            include_dirs=[np.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
            extra_compile_args=OPTIONS,
        )
        command = Distribution({"ext_modules": cythonize([extension], quiet=True)}).get_command_obj("build_ext")
        command.build_lib = command.build_temp = folder
        command.ensure_finalized()
        command.run()
        arriving = module.with_name(f"{module.name}.part")
        try:
            shutil.copy(command.get_ext_fullpath("native"), arriving)
            arriving.replace(module)
        finally:
            arriving.unlink(missing_ok=True)
