"""Invocations use threads again."""

from __future__ import annotations

import asyncio
import threading

import pytest
from ministack.core import concurrency

from localaws.lambda_ import invocation_threads


async def run(work: object, *arguments: object) -> object:
    return await concurrency.run_reentrant(work, *arguments, thread_name=invocation_threads.NAME)


def test_the_emulator_starts_a_thread_for_each_invocation() -> None:
    first, second = asyncio.run(run(threading.current_thread)), asyncio.run(run(threading.current_thread))

    assert first is not second, "ministack no longer needs localaws/lambda_/invocation_threads.py; delete it"


def test_an_invocation_uses_the_thread_of_one_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "threading", threading)
    monkeypatch.setattr(invocation_threads.Invocation, "threads", threads := invocation_threads.Threads())
    invocation_threads.apply()

    first = asyncio.run(run(threading.current_thread))
    assert threads.idle.acquire(timeout=90)  # the thread has no work now
    threads.idle.release()

    assert asyncio.run(run(threading.current_thread)) is first


def test_an_invocation_within_another_has_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "threading", threading)
    invocation_threads.apply()

    def outer() -> object:
        return asyncio.run(run(threading.current_thread)), threading.current_thread()

    inner, its_own = asyncio.run(run(outer))  # type: ignore[misc]

    assert inner is not its_own
