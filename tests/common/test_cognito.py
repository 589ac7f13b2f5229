"""The token of the caller in the header Authorization."""

from __future__ import annotations

import pytest

from common import cognito


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer ", "BEARER  "])
def test_the_scheme_may_be_in_any_case_or_absent(scheme: str) -> None:
    assert cognito.token(f"{scheme}a.b.c") == "a.b.c"
