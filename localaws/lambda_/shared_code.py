"""Gap: each execution environment extracts and compiles its function's code again.

Python functions with the same code or layer import it from one folder, which keeps their bytecode too. A cold start
then takes two thirds of the time. As on AWS, a function must not write there.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
No longer needed when two execution environments of a function run the same file.
"""

import functools
import hashlib
import os
import shutil
import tempfile
import types
import zipfile
from pathlib import Path
from threading import Lock, local
from typing import Any

from ministack.core import lambda_runtime

_starting = local()
_making = Lock()


def _shared() -> str:
    """Return the folder of all extracted code, which is removed when the emulator ends."""
    with _making:  # a second folder would be removed while an environment starts in it
        return _folder().name


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="localaws-code-")


class _SharedZip(zipfile.ZipFile):
    """A zip that is extracted once; every other folder for it is a link."""

    def extractall(self, path: Any = None, *arguments: Any, **options: Any) -> None:
        if not getattr(_starting, "python", False):
            return super().extractall(path, *arguments, **options)
        shared = _shared()
        with open(str(self.filename), "rb") as file:
            folder = Path(shared) / hashlib.file_digest(file, "sha256").hexdigest()
        if not folder.exists():
            draft = tempfile.mkdtemp(dir=shared)
            super().extractall(draft)
            try:
                Path(draft).rename(folder)
            except OSError:  # another environment was faster
                shutil.rmtree(draft)
        Path(path).rmdir()
        Path(path).symlink_to(folder)
        return None


def apply() -> None:
    spawn = lambda_runtime.Worker._spawn

    def spawn_with_shared_code(worker: Any) -> None:
        # Node.js links the packages of layers into the folder of the code.
        _starting.python = worker.config.get("Runtime", "").startswith("python")
        try:
            spawn(worker)
        finally:
            _starting.python = False

    # This process writes no bytecode into the repository. An execution environment inherits its variables.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    lambda_runtime.Worker._spawn = spawn_with_shared_code
    lambda_runtime.zipfile = types.SimpleNamespace(**vars(zipfile) | {"ZipFile": _SharedZip})
