"""A value is read once and again when it is old, and stays in use while it cannot be read."""

from __future__ import annotations

import pytest

from common.cached import Cached
from common.errors import ServiceUnavailable


class Source:
    """Counts its reads, and returns the count; *now* is the clock."""

    def __init__(self) -> None:
        self.reads, self.now = 0, 0.0
        self.error: Exception | None = None
        self.cached = Cached(self.read, max_age=60, clock=lambda: self.now)

    def read(self) -> int:
        self.reads += 1
        if self.error:
            raise self.error
        return self.reads


@pytest.fixture
def source() -> Source:
    return Source()


def test_it_is_read_on_first_use_and_again_when_it_is_old(source: Source) -> None:
    assert source.reads == 0
    assert (source.cached.value(), source.cached.value()) == (1, 1)
    source.now = 59.9
    assert source.cached.value() == 1
    source.now = 60
    assert source.cached.value() == 2


def test_a_stale_value_stays_in_use_until_the_next_read_is_due(source: Source) -> None:
    source.error = ServiceUnavailable("down")
    with pytest.raises(ServiceUnavailable):
        source.cached.value()
    source.error = None
    assert source.cached.value() == 2

    source.error, source.now = ServiceUnavailable("down"), 60
    assert (source.cached.value(), source.cached.value()) == (2, 2)
    assert source.reads == 3

    source.error, source.now = None, 120
    assert source.cached.value() == 4


def test_other_errors_are_not_hidden(source: Source) -> None:
    source.cached.value()
    source.error, source.now = PermissionError(), 60

    with pytest.raises(PermissionError):
        source.cached.value()


def test_an_expired_value_is_read_again_and_one_that_was_put_is_not(source: Source) -> None:
    source.cached.value()
    source.cached.expire()
    assert source.cached.value() == 2

    assert source.cached.put(9) == 9
    assert (source.cached.value(), source.reads) == (9, 2)


def test_a_value_is_kept_for_a_minute_unless_its_user_says_otherwise(source: Source) -> None:
    cached = Cached(source.read, clock=lambda: source.now)

    for source.now, reads in ((0, 1), (59.9, 1), (60, 2)):
        assert cached.value() == reads
