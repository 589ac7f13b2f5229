"""The errors of the sandbox's settings. Their messages are for the person who runs the command."""

from __future__ import annotations


class InvalidVariable(Exception):
    """A variable of the environment has a wrong value; the message names the variable."""


class InvalidFile(Exception):
    """A sandbox.toml has an error; the message names the file and the field."""
