"""The beginning of the program of a function that is debugged: see `localaws/lambda_/debugger.py`."""

import os
import sys
from importlib import import_module, machinery
from types import CodeType


def attach(port: int, token: str, session: int, folder: str) -> None:
    """Connect this process to the debug session, and import its code under the names of its source in *folder*.

    So the breakpoints of an editor are in the code. Chalice packages what is in ``vendor`` beside the code.
    """
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # no warning in the log that Python's own modules are frozen
    import debugpy.server  # noqa: F401 # makes pydevd importable

    code = os.path.realpath(os.getcwd())

    def source(file: str) -> str | None:
        name = os.path.relpath(os.path.realpath(file), code)
        found = (os.path.join(folder, *parts, name) for parts in ((), ("vendor",)))
        return next((os.path.realpath(each) for each in found if os.path.isfile(each)), None)

    class Loader(machinery.SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType | None:
            file = self.get_filename(fullname)
            named = source(file)
            return self.source_to_code(self.get_data(file), named) if named else super().get_code(fullname)

    def finder(path: str) -> machinery.FileFinder:
        if not (os.path.realpath(path) + os.sep).startswith(code + os.sep):
            raise ImportError(path)
        extensions = machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES
        return machinery.FileFinder(path, extensions, (Loader, machinery.SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, finder)
    # As a child process of a debugged program does: https://github.com/microsoft/debugpy, pydev_monkey.py.
    import_module("pydevd").settrace("127.0.0.1", port=port, suspend=False, access_token=token, ppid=session)
