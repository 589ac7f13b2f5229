"""Gap: each cold start imports botocore, also of a function that does not use it. That is most of its time.

The emulator adds a header to the calls of a function, which limits functions that call each other in a loop. An
environment now adds it when the function imports botocore.
AWS: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
No longer needed when the modules of a function that imports nothing do not include botocore.
"""

from __future__ import annotations

from localaws.lambda_ import worker_script

_IMPORTING = "def _ms_install_invoke_depth():\n"
_WAITING = '''
class _ms_Botocore:
    """Finds the module that keeps botocore's handlers, and adds the emulator's when it has been imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "botocore.handlers":
            return None
        import importlib.util, sys
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_add(module):
            execute(module)
            sys.modules["botocore"].handlers = module  # Python sets it after this function
            _ms_add_handler()

        spec.loader.exec_module = execute_and_add
        return spec

def _ms_install_invoke_depth():
    import sys
    if "botocore.handlers" in sys.modules:  # of the process that this one is forked from
        _ms_add_handler()
    else:
        sys.meta_path.insert(0, _ms_Botocore())

def _ms_add_handler():
'''


def apply() -> None:
    worker_script.replace(_IMPORTING, _WAITING)
