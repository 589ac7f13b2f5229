"""One welcome mail for each subscriber: each rule, and then a simulation of all failures at once."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from subscriber_memory import Item, Key, MemorySubscribers

from chalicelib.subscribers import (
    MalformedSubscriber,
    NewSubscriber,
    Subscriber,
    Subscribers,
    WelcomeMail,
    subscriber_id,
)
from chalicelib.welcome import GivenUp, Subscribed, Unsubscribed, Welcome
from common.mail import Feedback, Mail, MailTemplate, NotSent

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
LEASE, HAND_OVER, TAKE_OVER, MAX_ATTEMPTS = 15 * MINUTE, 45 * MINUTE, HOUR, 5
"""As docs/welcome-mail.md has them."""
NOON = 1_900_000_000_000
SITE = "https://blog.example"
TEMPLATE = MailTemplate(Path(__file__).parents[2] / "blog-app" / "chalicelib" / "mails", "welcome")
ANN = subscriber_id("ann@example.com")


class Crash(BaseException):
    """The process crashes: nothing after it runs."""


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


class Ses:
    """Accepts every mail, unless *before* raises, and may crash *after* it has accepted one."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Mail, dict[str, str], str | None]] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def send(self, to: str, mail: Mail, tags: dict[str, str], list_unsubscribe: str | None = None) -> str:
        self.before()
        self.taken.append((to, mail, tags, list_unsubscribe))
        self.after()
        return f"message-{len(self.taken)}"

    def says(self, kind: str = "Send", final: bool = False) -> Feedback:
        """Return SES's feedback on the newest mail."""
        to, _, tags, _ = self.taken[-1]
        return Feedback(kind, f"message-{len(self.taken)}", tags, (to,), final)


def fail(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemorySubscribers:
    return MemorySubscribers()


@pytest.fixture
def ses() -> Ses:
    return Ses()


@pytest.fixture
def subscribers(store: MemorySubscribers, clock: Clock) -> Subscribers:
    subscribers = Subscribers(store, clock)
    subscribers.subscribe(NewSubscriber("ann@example.com"))
    return subscribers


@pytest.fixture
def welcome(subscribers: Subscribers, store: MemorySubscribers, ses: Ses, clock: Clock) -> Welcome:
    """A store with one subscriber, Ann, who has no welcome mail yet."""
    return Welcome(store, ses, TEMPLATE, SITE, now=clock)


@pytest.fixture
def standby(subscribers: Subscribers, store: MemorySubscribers, ses: Ses, clock: Clock) -> Welcome:
    return Welcome(store, ses, TEMPLATE, SITE, standby=True, now=clock)


def test_a_welcome_mail_has_links_that_unsubscribe(
    welcome: Welcome, subscribers: Subscribers, store: MemorySubscribers, ses: Ses
) -> None:
    welcome.handle(Subscribed(ANN))

    [(to, mail, tags, url)] = ses.taken
    assert to == "ann@example.com"
    assert mail.subject == "Welcome to MyBlog"
    assert url is not None
    assert url.startswith(f"{SITE}/api/unsubscribe/")
    token = url.rpartition("/")[2]
    assert f"{SITE}/unsubscribe/?token={token}" in mail.text
    assert f'"{SITE}/unsubscribe/?token={token}"' in mail.html
    assert f"{SITE}/" in mail.text
    assert tags == {"subscriber": ANN, "subscription": str(NOON)}
    subscribers.unsubscribe(url.rpartition("/")[2])
    assert not store.subscribers


def test_a_change_delivered_twice_late_or_in_both_regions_is_one_mail(
    welcome: Welcome, standby: Welcome, ses: Ses, clock: Clock
) -> None:
    for moment in (0, 1, LEASE, 3 * HOUR, 30 * HOUR):
        clock.now = NOON + moment
        welcome.handle(Subscribed(ANN))
        standby.handle(Subscribed(ANN))
        welcome.sweep()
        standby.sweep()

    assert len(ses.taken) == 1


class Overtaken(MemorySubscribers):
    """Another invocation does everything between the first read and the following write."""

    def __init__(self) -> None:
        super().__init__()
        self.overtake: Callable[[], None] | None = None

    def read(self, subscriber_id: str) -> tuple[Subscriber | None, WelcomeMail | None]:
        found = super().read(subscriber_id)
        overtake, self.overtake = self.overtake, None
        if overtake:
            overtake()
        return found


def test_the_sweep_reads_only_those_whose_mail_was_not_sent(clock: Clock, ses: Ses) -> None:
    class Counting(MemorySubscribers):
        reads = 0

        def read(self, subscriber_id: str) -> tuple[Subscriber | None, WelcomeMail | None]:
            self.reads += 1
            return super().read(subscriber_id)

    store = Counting()
    subscribers, welcome = Subscribers(store, clock), Welcome(store, ses, TEMPLATE, SITE, now=clock)
    for n in range(30):
        subscribers.subscribe(NewSubscriber(f"reader-{n}@example.com"))
        if n >= 3:
            welcome.handle(Subscribed(subscriber_id(f"reader-{n}@example.com")))
    clock.now += LEASE
    store.reads = 0

    welcome.sweep()

    assert store.reads == 3
    assert len(ses.taken) == 30


@pytest.mark.parametrize("crash", [False, True])
def test_one_of_two_concurrent_handlers_of_a_change_sends_the_mail(ses: Ses, clock: Clock, crash: bool) -> None:
    store = Overtaken()
    Subscribers(store, clock).subscribe(NewSubscriber("ann@example.com"))
    welcome = Welcome(store, ses, TEMPLATE, SITE, now=clock)
    if crash:
        ses.after = fail(Crash())
        with pytest.raises(Crash):
            welcome.handle(Subscribed(ANN))
        ses.after = lambda: None
        ses.taken.clear()
        clock.now += LEASE

    store.overtake = lambda: welcome.handle(Subscribed(ANN))
    welcome.handle(Subscribed(ANN))

    assert len(ses.taken) == 1


def test_each_claim_is_twice_as_long_as_the_previous_one(
    welcome: Welcome, store: MemorySubscribers, ses: Ses, clock: Clock
) -> None:
    ses.after = fail(Crash())
    for attempt in range(MAX_ATTEMPTS):
        with pytest.raises(Crash):
            welcome.handle(Subscribed(ANN))
        assert store.mails[ANN].until - clock.now == LEASE * 2**attempt
        clock.now = store.mails[ANN].until

    assert clock.now - NOON == 7 * HOUR + 45 * MINUTE


def test_a_crash_before_the_send_delays_the_mail_until_its_claim_ends(welcome: Welcome, ses: Ses, clock: Clock) -> None:
    ses.before = fail(Crash())
    with pytest.raises(Crash):
        welcome.handle(Subscribed(ANN))
    ses.before = lambda: None

    clock.now += LEASE - 1
    welcome.handle(Subscribed(ANN))
    welcome.sweep()
    assert not ses.taken
    clock.now += 1
    welcome.sweep()
    assert len(ses.taken) == 1


def test_a_crash_after_the_send_is_settled_by_the_feedback(welcome: Welcome, ses: Ses, clock: Clock) -> None:
    ses.after = fail(Crash())
    with pytest.raises(Crash):
        welcome.handle(Subscribed(ANN))

    welcome.apply_feedback(ses.says())
    for _ in range(100):
        clock.now += LEASE
        welcome.handle(Subscribed(ANN))
        welcome.sweep()

    assert len(ses.taken) == 1


def test_a_crash_after_the_send_without_feedback_sends_a_second_mail(welcome: Welcome, ses: Ses, clock: Clock) -> None:
    ses.after = fail(Crash())
    with pytest.raises(Crash):
        welcome.handle(Subscribed(ANN))
    ses.after = lambda: None

    clock.now += LEASE - 1
    welcome.sweep()
    assert len(ses.taken) == 1
    for _ in range(100):
        clock.now += LEASE
        welcome.sweep()

    assert len(ses.taken) == 2
    assert ses.taken[0][3] == ses.taken[1][3], "the links of both mails work"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_endless_crashes_end_in_an_error_and_not_in_endless_mails(
    welcome: Welcome, ses: Ses, clock: Clock, moment: str
) -> None:
    setattr(ses, moment, fail(Crash()))
    crashes = 0
    for _ in range(1000):
        clock.now += MINUTE
        try:
            welcome.sweep() if crashes else welcome.handle(Subscribed(ANN))
        except Crash:
            crashes += 1
        except ExceptionGroup as failures:
            assert failures.subgroup(GivenUp)  # noqa: PT017

    assert crashes == MAX_ATTEMPTS
    with pytest.raises(GivenUp, match=f"5 attempts.*{ANN}"):
        welcome.handle(Subscribed(ANN))


def test_a_mail_that_ses_rejects_is_retried_and_is_not_counted(welcome: Welcome, ses: Ses) -> None:
    ses.before = fail(NotSent("TooManyRequestsException"))
    for _ in range(MAX_ATTEMPTS + 3):
        with pytest.raises(NotSent):
            welcome.handle(Subscribed(ANN))
    ses.before = lambda: None

    welcome.handle(Subscribed(ANN))

    assert len(ses.taken) == 1


def test_after_a_lost_response_the_mail_may_have_been_sent(welcome: Welcome, ses: Ses, clock: Clock) -> None:
    ses.after = fail(TimeoutError())
    with pytest.raises(TimeoutError):
        welcome.handle(Subscribed(ANN))
    ses.after = lambda: None

    welcome.handle(Subscribed(ANN))
    assert len(ses.taken) == 1
    clock.now += LEASE
    welcome.handle(Subscribed(ANN))
    assert len(ses.taken) == 2


def test_the_sweep_finds_a_subscriber_whose_event_was_lost(welcome: Welcome, ses: Ses, clock: Clock) -> None:
    clock.now += LEASE - 1
    welcome.sweep()
    assert not ses.taken
    clock.now += 1
    welcome.sweep()
    assert len(ses.taken) == 1


@pytest.mark.parametrize(("age", "mails"), [(24 * HOUR, 1), (24 * HOUR + 1, 0)])
def test_a_subscriber_of_more_than_a_day_gets_no_mail(
    welcome: Welcome, ses: Ses, clock: Clock, age: int, mails: int
) -> None:
    clock.now += age

    welcome.sweep()

    assert len(ses.taken) == mails


def test_the_standby_region_sends_only_mails_that_are_an_hour_overdue(
    standby: Welcome, store: MemorySubscribers, ses: Ses, clock: Clock
) -> None:
    clock.now += TAKE_OVER - 1
    standby.handle(Subscribed(ANN))
    standby.sweep()
    assert not ses.taken
    clock.now += 1 + LEASE
    standby.sweep()
    standby.sweep()
    assert len(ses.taken) == 1


def test_a_region_that_comes_back_does_not_send_what_the_standby_has_sent(ses: Ses, clock: Clock) -> None:
    """The subscription has reached the home when it is back, and the record of the standby's mail has not."""
    home, away = MemorySubscribers(), MemorySubscribers()
    for store in (home, away):
        Subscribers(store, clock).subscribe(NewSubscriber("ann@example.com"))
    welcome = Welcome(home, ses, TEMPLATE, SITE, hands_over=True, now=clock)
    standby = Welcome(away, ses, TEMPLATE, SITE, standby=True, now=clock)
    clock.now += TAKE_OVER
    standby.handle(Subscribed(ANN))
    assert len(ses.taken) == 1

    for moment in (0, LEASE, HOUR):
        clock.now += moment
        welcome.handle(Subscribed(ANN))
        welcome.sweep()

    assert len(ses.taken) == 1


@pytest.mark.parametrize(("age", "mails"), [(HAND_OVER - 1, 1), (HAND_OVER, 0)])
def test_a_region_with_a_standby_sends_for_three_quarters_of_an_hour(
    subscribers: Subscribers, store: MemorySubscribers, ses: Ses, clock: Clock, age: int, mails: int
) -> None:
    welcome = Welcome(store, ses, TEMPLATE, SITE, hands_over=True, now=clock)
    clock.now += age

    welcome.sweep()
    welcome.handle(Subscribed(ANN))

    assert len(ses.taken) == mails


def test_the_standby_region_waits_an_hour_after_a_claim_ends(
    welcome: Welcome, standby: Welcome, ses: Ses, clock: Clock
) -> None:
    clock.now += TAKE_OVER
    ses.before = fail(Crash())
    with pytest.raises(Crash):
        welcome.handle(Subscribed(ANN))
    ses.before = lambda: None

    clock.now += LEASE + TAKE_OVER - 1
    standby.sweep()
    assert not ses.taken
    clock.now += 1
    standby.sweep()
    assert len(ses.taken) == 1


def test_what_ses_refuses_is_due_in_the_same_region_at_once_and_in_the_standby_after_an_hour(
    welcome: Welcome, standby: Welcome, ses: Ses, clock: Clock
) -> None:
    ses.before = fail(NotSent("Throttling"))
    with pytest.raises(NotSent):
        welcome.handle(Subscribed(ANN))
    clock.now += TAKE_OVER - 1
    standby.handle(Subscribed(ANN))  # would raise if it sent
    clock.now += 1 + LEASE
    with pytest.raises(ExceptionGroup):
        standby.sweep()

    ses.before = lambda: None
    standby.sweep()

    assert len(ses.taken) == 1


def test_a_removed_or_suppressed_subscriber_gets_no_mail(
    welcome: Welcome, store: MemorySubscribers, ses: Ses, clock: Clock
) -> None:
    store.remove(ANN)
    welcome.handle(Subscribed(ANN))
    store.suppress(Subscriber(id=ANN, email="ann@example.com", status="suppressed", subscribed_at=NOON))
    welcome.handle(Subscribed(ANN))
    clock.now += LEASE
    welcome.sweep()

    assert not ses.taken


def test_a_returning_subscriber_is_welcomed_once_more(
    welcome: Welcome, subscribers: Subscribers, store: MemorySubscribers, ses: Ses, clock: Clock
) -> None:
    welcome.handle(Subscribed(ANN))
    store.remove(ANN)
    clock.now += HOUR
    subscribers.subscribe(NewSubscriber("ann@example.com"))

    for _ in range(2):
        for change in (Subscribed(ANN), Unsubscribed(ANN, NOON), Subscribed(ANN)):
            welcome.handle(change)

    assert len(ses.taken) == 2
    assert ses.taken[0][3] != ses.taken[1][3]


def test_feedback_on_an_earlier_subscription_settles_nothing(
    welcome: Welcome, subscribers: Subscribers, store: MemorySubscribers, ses: Ses, clock: Clock
) -> None:
    welcome.handle(Subscribed(ANN))
    late = ses.says("Delivery")
    store.remove(ANN)
    welcome.handle(Unsubscribed(ANN, NOON))
    clock.now += HOUR
    subscribers.subscribe(NewSubscriber("ann@example.com"))
    ses.before = fail(Crash())
    with pytest.raises(Crash):
        welcome.handle(Subscribed(ANN))
    ses.before = lambda: None

    welcome.apply_feedback(late)
    clock.now += LEASE
    welcome.sweep()

    assert len(ses.taken) == 2


def test_only_the_mailing_region_forgets_the_mail_of_a_removed_subscriber(
    welcome: Welcome, standby: Welcome, store: MemorySubscribers
) -> None:
    welcome.handle(Subscribed(ANN))
    store.remove(ANN)

    standby.handle(Unsubscribed(ANN, NOON))
    assert store.mails
    welcome.handle(Unsubscribed(ANN, NOON))
    welcome.handle(Unsubscribed(ANN, NOON))
    assert not store.mails


@pytest.mark.parametrize("kind", ["Bounce", "Complaint"])
def test_a_permanent_bounce_or_a_complaint_suppresses_the_address(
    welcome: Welcome, store: MemorySubscribers, ses: Ses, kind: str
) -> None:
    welcome.handle(Subscribed(ANN))

    welcome.apply_feedback(ses.says("Bounce"))
    assert store.subscribers[ANN].status == "subscribed"
    welcome.apply_feedback(replace(ses.says(kind, final=True), tags={}, recipients=("ANN@example.com",)))

    assert store.subscribers[ANN].status == "suppressed"


def test_a_sweep_continues_after_a_failure_and_raises_it(
    welcome: Welcome, subscribers: Subscribers, ses: Ses, clock: Clock
) -> None:
    for name in "bcd":
        subscribers.subscribe(NewSubscriber(f"{name}@example.com"))
    clock.now += LEASE
    refusals = iter([True, False, True, False])

    def refuse_some() -> None:
        if next(refusals):
            raise NotSent("MessageRejected")

    ses.before = refuse_some
    with pytest.raises(ExceptionGroup) as failed:
        welcome.sweep()

    assert [str(failure) for failure in failed.value.exceptions] == ["MessageRejected"] * 2
    assert len(ses.taken) == 2


class World:
    """Two Regions with a global table, streams that deliver everything twice, and SES. Each event advances time.

    *chances* are the probabilities of a crash before and after the send, *feedback_chance* that of SES's feedback.
    """

    def __init__(self, seed: int, chances: tuple[float, float] = (0.1, 0.1), feedback_chance: float = 1) -> None:
        self.random = random.Random(seed)
        self.clock = Clock()
        self._chances = chances
        self._feedback_chance = feedback_chance
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._written: dict[tuple[bool, Key], tuple[int, int]] = {}
        self.ses = Ses()
        self.ses.before = lambda: self._crash(self._chances[0])
        self.ses.after = self._taken
        self.crashes: Counter[str] = Counter()
        self.on_failure: list[Exception] = []
        self.stores = {True: MemorySubscribers(self._write_in(True)), False: MemorySubscribers(self._write_in(False))}
        self.welcomes = {
            mailing: Welcome(store, self.ses, TEMPLATE, SITE, not mailing, now=self.clock)
            for mailing, store in self.stores.items()
        }

    def at(self, moment: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), action))

    def soon(self, action: Callable[[], None], least: int = 100, most: int = 3 * SECOND) -> None:
        self.at(self.clock.now + self.random.randint(least, most), action)

    def run(self, duration: int) -> None:
        for minute in range(0, duration // MINUTE, 5):
            for welcome in self.welcomes.values():
                self.at(NOON + minute * MINUTE + 1, self._sweep(welcome))
        while self._events:
            self.clock.now, _, action = heapq.heappop(self._events)
            action()

    def subscribe(self, email: str, mailing: bool) -> None:
        Subscribers(self.stores[mailing], self.clock).subscribe(NewSubscriber(email))

    def poison(self) -> None:
        self._deliver(True, "poison")

    def mails(self) -> Counter[str]:
        return Counter(to for to, _, _, _ in self.ses.taken)

    def _write_in(self, mailing: bool) -> Callable[[Key, Item | None, Item | None], None]:
        def written(key: Key, old: Item | None, new: Item | None) -> None:
            moment = self._written[mailing, key] = (self.clock.now, next(self._numbers))
            self._stream(mailing, key, old, new)
            self.soon(lambda: self._replicate(not mailing, key, new, moment))

        return written

    def _replicate(self, mailing: bool, key: Key, item: Item | None, moment: tuple[int, int]) -> None:
        """Apply the later of two writes."""
        if moment > self._written.get((mailing, key), (0, 0)):
            self._written[mailing, key] = moment
            self._stream(mailing, key, self.stores[mailing].replicate(key, item), item)

    def _stream(self, mailing: bool, key: Key, old: Item | None, new: Item | None) -> None:
        if key[0] is WelcomeMail:
            return
        if new is not None:
            self._deliver(mailing, Subscribed(key[1]))
        elif old is not None:
            self._deliver(mailing, Unsubscribed(key[1], old.subscribed_at))

    def _deliver(self, mailing: bool, change: Subscribed | Unsubscribed | str, tries: int = 3) -> None:
        for _ in range(2):
            self.soon(lambda: self._handle(mailing, change, tries))

    def _handle(self, mailing: bool, change: Subscribed | Unsubscribed | str, tries: int) -> None:
        try:
            if isinstance(change, str):
                raise MalformedSubscriber(change)
            self.welcomes[mailing].handle(change)
        except (Crash, MalformedSubscriber) as error:
            if tries:
                self.soon(lambda: self._handle(mailing, change, tries - 1))
            elif isinstance(error, MalformedSubscriber):
                self.on_failure.append(error)

    def _sweep(self, welcome: Welcome) -> Callable[[], None]:
        def sweep() -> None:
            try:
                welcome.sweep()
            except Crash:
                self.soon(sweep)

        return sweep

    def _crash(self, chance: float) -> None:
        if self.random.random() < chance:
            self.crashes["before" if chance is self._chances[0] else "after"] += 1
            raise Crash

    def _taken(self) -> None:
        said = self.ses.says()
        if self.random.random() < self._feedback_chance:
            for _ in range(2):
                self.soon(lambda: self.welcomes[True].apply_feedback(said), SECOND, 10 * MINUTE)
        self._crash(self._chances[1])


def subscribe_500(world: World) -> None:
    for number in range(500):
        mailing = world.random.random() < 0.5
        email = f"reader-{number}@example.com"
        world.at(NOON + number * 20, lambda email=email, mailing=mailing: world.subscribe(email, mailing))  # type: ignore[misc]
        if number % 10 == 0:  # the same address in both Regions, before either Region knows of the other's
            world.at(NOON + number * 20 + 50, lambda email=email, mailing=mailing: world.subscribe(email, not mailing))  # type: ignore[misc]
    world.at(NOON + 5 * SECOND, world.poison)


@pytest.mark.parametrize("seed", range(5))
def test_500_subscribers_get_500_mails_despite_repeated_events_and_crashes(seed: int) -> None:
    world = World(seed, chances=(0.1, 0.11))
    subscribe_500(world)

    world.run(30 * HOUR)

    assert world.crashes["before"] > 30
    assert world.crashes["after"] > 30
    assert len(world.mails()) == 500
    assert world.mails().total() == 500
    assert {str(error) for error in world.on_failure} == {"poison"}
    for store in world.stores.values():
        assert all(mail.sent_at for mail in store.mails.values())


@pytest.mark.parametrize("seed", range(3))
def test_without_feedback_a_crash_after_the_send_is_one_more_mail_and_no_mail_is_lost(seed: int) -> None:
    world = World(seed, chances=(0.05, 0.06), feedback_chance=0)
    subscribe_500(world)

    world.run(30 * HOUR)

    assert len(world.mails()) == 500
    assert world.mails().total() == 500 + world.crashes["after"]


def test_without_crashes_no_feedback_is_needed() -> None:
    world = World(1, chances=(0, 0.0), feedback_chance=0)
    subscribe_500(world)

    world.run(2 * HOUR)

    assert world.mails() == Counter({f"reader-{number}@example.com": 1 for number in range(500)})


def test_the_other_region_sends_while_the_mailing_region_is_down() -> None:
    world = World(1, chances=(0, 0.0))
    world.welcomes[True].handle = lambda change: None  # type: ignore[method-assign]
    world.welcomes[True].sweep = lambda: None  # type: ignore[method-assign]
    subscribe_500(world)

    world.run(3 * HOUR)

    assert world.mails() == Counter({f"reader-{number}@example.com": 1 for number in range(500)})
