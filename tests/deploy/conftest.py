"""Fixtures for the tests of the deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deploy import account, stacks


@pytest.fixture(autouse=True)
def forget_clients() -> Iterator[Callable[[], None]]:
    """Let no test use the clients of another one: each chooses its own endpoint and Region. The function does it."""

    def forget() -> None:
        account.client.cache_clear()
        stacks._artifacts.cache_clear()

    forget()
    yield forget
    forget()
