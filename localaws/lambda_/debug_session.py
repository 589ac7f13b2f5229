"""`python -m localaws.lambda_.debug_session PORT`: the process that a debugger attaches to, at any time.

Prints the port to which the functions connect, and the token that they need. Ends with its standard input.
"""

import sys
from importlib import import_module

import debugpy


def main(port: int) -> None:
    """Listen on *port* until the end of the standard input."""
    debugpy.listen(("127.0.0.1", port))
    setup = import_module("pydevd").SetupHolder.setup  # what the processes that a debugged program starts connect with
    print(setup["port"], setup["access-token"], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
