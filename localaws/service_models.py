"""The service models of botocore, which are several megabytes of JSON each."""

from __future__ import annotations

import functools

import botocore.session
from botocore import loaders


def share() -> None:
    """Let all sessions of this process have the same models, which are read once and are plain dictionaries.

    botocore reads a model again for each session, as ordered dictionaries, which need twice the memory.
    """
    loaders.OrderedDict = dict
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
