"""Invocations use threads again."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from types import SimpleNamespace

import pytest
from ministack.core import concurrency, lambda_runtime
from ministack.services import apigateway, apigateway_v1, lambda_svc

from localaws.lambda_ import invocation_threads
from localaws.lambda_.invocation_threads import NAMES, Threads, Work


async def run(work: object, *arguments: object, name: str = NAMES[0]) -> object:
    return await concurrency.run_reentrant(work, *arguments, thread_name=name)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    """The threads of an emulator to which the gap was applied."""
    for module in (concurrency, lambda_runtime):
        monkeypatch.setattr(module, "threading", threading)
    monkeypatch.setattr(Work, "threads", threads := Threads())
    invocation_threads.apply()
    return threads


def wait_until_idle(threads: Threads) -> None:
    assert threads.idle.acquire(timeout=90)
    threads.idle.release()


def test_the_emulator_starts_a_thread_for_each_invocation() -> None:
    first, second = asyncio.run(run(threading.current_thread)), asyncio.run(run(threading.current_thread))

    assert first is not second, "ministack no longer needs localaws/lambda_/invocation_threads.py; delete it"


def test_the_emulator_reads_each_answer_in_a_thread_with_this_function() -> None:
    source = inspect.getsource(lambda_runtime.Worker.invoke)

    assert f"threading.Thread(target={invocation_threads._READS}, daemon=True)" in source


def test_all_threads_of_the_emulator_that_run_invocations_are_known() -> None:
    source = "".join(inspect.getsource(module) for module in (lambda_svc, apigateway, apigateway_v1))
    names = re.findall(r'run_reentrant\([\w.]*_execute_function\w*,[^()]*thread_name="([\w-]+)"', source)

    assert set(names) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_invocation_uses_the_thread_of_one_that_has_ended(threads: Threads, name: str) -> None:
    first = asyncio.run(run(threading.current_thread, name=name))
    wait_until_idle(threads)

    assert asyncio.run(run(threading.current_thread, name=name)) is first


def test_an_invocation_within_another_has_a_thread(threads: Threads) -> None:
    def inner_and_own() -> list[object]:
        return [asyncio.run(run(threading.current_thread)), threading.current_thread()]

    used = asyncio.run(run(inner_and_own))

    assert isinstance(used, list)
    assert used[0] is not used[1]


def read(work: object) -> SimpleNamespace:
    """Return the thread that the emulator makes to read an answer with *work*."""

    def _read_response() -> None:
        work()  # type: ignore[operator]

    return lambda_runtime.threading.Thread(target=_read_response, daemon=True)  # type: ignore[no-any-return]


def test_an_answer_is_read_in_a_thread_that_is_used_again(threads: Threads) -> None:
    readers: list[threading.Thread] = []
    for _ in range(2):
        reader = read(lambda: readers.append(threading.current_thread()))
        reader.start()
        reader.join(timeout=90)
        assert not reader.is_alive()
        wait_until_idle(threads)

    assert readers[0] is readers[1]


def test_an_answer_that_does_not_come_in_time_is_still_being_read(threads: Threads) -> None:
    answer = threading.Event()
    reader = read(lambda: answer.wait(90))
    reader.start()
    reader.join(timeout=0.01)
    assert reader.is_alive()

    answer.set()
    reader.join(timeout=90)
    assert not reader.is_alive()


def test_the_other_threads_of_an_environment_are_its_own(threads: Threads) -> None:
    thread = lambda_runtime.threading.Thread(target=len, args=((),), daemon=True, name="stderr-todos")

    assert isinstance(thread, threading.Thread)
