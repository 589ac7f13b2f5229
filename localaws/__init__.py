"""An AWS on loopback for Chalice and SAM projects: the emulator ministack with its gaps closed, and data planes."""

import os

if "LOCALAWS_CLOCK" in os.environ:  # a process of a running AWS: other modules keep what the clock replaces
    from localaws import clock

    clock.install()
