"""Ids that sort by time."""

from __future__ import annotations

import uuid

import pytest

from common import ids


def test_an_id_is_a_uuid_of_version_7(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://www.rfc-editor.org/rfc/rfc9562#name-example-of-a-uuidv7-value"""
    asked: list[int] = []

    def randbits(count: int) -> int:
        asked.append(count)
        return 0xF << 76 | 0xCC3 << 64 | 0x3 << 62 | 0x18C4DC0C0C07398F

    monkeypatch.setattr(ids.time, "time_ns", lambda: 0x017F22E279B0 * 1_000_000 + 999_999)
    monkeypatch.setattr(ids.secrets, "randbits", randbits)

    assert ids.new_id() == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
    assert asked == [80]


def test_the_bits_of_version_and_variant_are_set_whatever_the_random_bits_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for bits in (0, 2**80 - 1):
        monkeypatch.setattr(ids.secrets, "randbits", lambda count, bits=bits: bits)

        made = uuid.UUID(ids.new_id())

        assert (made.version, made.variant) == (7, uuid.RFC_4122)
