"""The deployed todo-app and two of its users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import suite
from users import User


@pytest.fixture(scope="session")
def todo(sandbox: dict[str, Any]) -> dict[str, Any]:
    if "todo-app" in suite.DELETED:
        pytest.skip("todo-app was deleted")
    outputs: dict[str, Any] = sandbox["todo-app"]
    return outputs


@pytest.fixture(scope="session")
def ann(sign_up: Callable[[], User]) -> User:
    return sign_up()


@pytest.fixture(scope="session")
def bob(sign_up: Callable[[], User]) -> User:
    return sign_up()
