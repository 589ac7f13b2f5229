"""The contract of every store of subscribers, in memory and the table, and the records of the table's stream."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from msgspec.structs import replace
from rows import rows
from subscriber_memory import MemorySubscribers

from chalicelib.subscriber_stream import change
from chalicelib.subscriber_table import SubscriberTable
from chalicelib.subscribers import (
    MalformedSubscriber,
    Subscriber,
    SubscriberStore,
    WelcomeMail,
    new_token,
    subscriber_id,
)
from chalicelib.welcome import Subscribed, Unsubscribed
from common import dynamodb

NOON = 1_900_000_000_000
DAY = 24 * 3600 * 1000


@pytest.fixture(scope="session")
def subscribers_table(emulator: str) -> str:
    """The name of the table."""
    name = "blog-app-unit-subscribers"
    boto3.client("dynamodb", endpoint_url=emulator).create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "kind", "AttributeType": "S"},
            {"AttributeName": "day", "AttributeType": "S"},
            {"AttributeName": "subscribed_at", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "kind", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-day",
                "KeySchema": [
                    {"AttributeName": "day", "KeyType": "HASH"},
                    {"AttributeName": "subscribed_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return name


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> SubscriberStore:
    if request.param == "memory":
        return MemorySubscribers()
    client = boto3.client("dynamodb", endpoint_url=request.getfixturevalue("emulator"))
    return SubscriberTable(client, request.getfixturevalue("subscribers_table"))


def ann(at: int = NOON) -> Subscriber:
    email = f"ann-{uuid.uuid4().hex}@example.com"
    return Subscriber(id=subscriber_id(email), email=email, status="subscribed", subscribed_at=at)


def mail_of(subscriber: Subscriber) -> WelcomeMail:
    return WelcomeMail(
        id=subscriber.id,
        subscribed_at=subscriber.subscribed_at,
        token=new_token(subscriber.id),
        attempts=1,
        until=NOON + 1000,
    )


def test_an_added_subscriber_is_read_and_an_unknown_one_is_none(store: SubscriberStore) -> None:
    subscriber = ann()

    assert store.read(subscriber.id) == (None, None)
    store.add(subscriber)
    assert store.read(subscriber.id) == (subscriber, None)


def test_a_second_add_changes_nothing(store: SubscriberStore) -> None:
    subscriber = ann()
    store.add(subscriber)

    store.add(replace(subscriber, subscribed_at=NOON + 1))

    assert store.read(subscriber.id)[0] == subscriber


def test_a_removed_subscriber_can_be_added_again(store: SubscriberStore) -> None:
    subscriber = ann()
    store.add(subscriber)

    store.remove(subscriber.id)
    store.remove(subscriber.id)

    assert store.read(subscriber.id)[0] is None
    store.add(subscriber)
    assert store.read(subscriber.id)[0] == subscriber


def test_a_subscriber_whose_mail_was_sent_waits_no_longer(store: SubscriberStore) -> None:
    at = NOON + int(uuid.uuid4().int % 10_000) * 10 * DAY
    claimed, sent = ann(at), ann(at)
    for subscriber in (claimed, sent):
        store.add(subscriber)
        store.replace_mail(mail_of(subscriber), 0)

    store.settle_mail(sent.id, at, "id", NOON)

    assert list(store.waiting(at, at)) == [claimed.id]


@pytest.mark.parametrize("known", [True, False])
def test_a_suppressed_subscriber_stays_suppressed(store: SubscriberStore, known: bool) -> None:
    subscriber = ann()
    if known:
        store.add(subscriber)

    store.suppress(subscriber)
    store.add(subscriber)
    store.remove(subscriber.id)

    assert store.read(subscriber.id)[0] == replace(subscriber, status="suppressed")


def test_subscribers_of_a_period_are_in_order_across_midnight_without_removed_ones(store: SubscriberStore) -> None:
    start = NOON + int(uuid.uuid4().int % 10_000) * 10 * DAY
    midnight = start - start % DAY
    found = [ann(midnight + offset) for offset in (-DAY, -1, 0, 1, DAY)]
    gone = ann(midnight)
    for subscriber in [*found[::-1], gone]:
        store.add(subscriber)
    store.remove(gone.id)

    assert list(store.waiting(midnight - DAY, midnight + DAY)) == [s.id for s in found]
    assert list(store.waiting(midnight - 1, midnight)) == [s.id for s in found[1:3]]


def test_one_of_many_concurrent_claims_succeeds(store: SubscriberStore) -> None:
    mails = [replace(mail_of(ann()), id="claimed-" + uuid.uuid4().hex)] * 8

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda mail: store.replace_mail(mail, 0), mails))

    assert sorted(won) == [False] * 7 + [True]


def test_a_claim_is_replaced_only_if_its_attempts_match(store: SubscriberStore) -> None:
    mail = mail_of(ann())
    second = replace(mail, attempts=2)
    assert not store.replace_mail(second, 1)
    assert store.replace_mail(mail, 0)

    assert not store.replace_mail(mail, 0)
    assert store.replace_mail(second, 1)
    assert not store.replace_mail(second, 1)
    assert store.read(mail.id)[1] == second


def test_a_withdrawn_claim_can_be_made_again(store: SubscriberStore) -> None:
    mail = mail_of(ann())
    store.replace_mail(mail, 0)

    assert store.replace_mail(replace(mail, attempts=0), 1)
    assert store.replace_mail(mail, 0)


def test_a_settled_mail_is_settled_once_and_never_claimed_again(store: SubscriberStore) -> None:
    mail = mail_of(ann())
    store.replace_mail(mail, 0)

    for other in (-1, 1):
        store.settle_mail(mail.id, mail.subscribed_at + other, "of another subscription", 1)
    assert store.read(mail.id)[1] == mail
    store.settle_mail(mail.id, mail.subscribed_at, "first", 5)
    store.settle_mail(mail.id, mail.subscribed_at, "second", 6)

    assert store.read(mail.id)[1] == replace(mail, sent_at=5, message_id="first")
    assert not store.replace_mail(replace(mail, attempts=2), 1)


def test_an_unknown_mail_is_not_settled(store: SubscriberStore) -> None:
    store.settle_mail("nobody", NOON, "id", NOON)

    assert store.read("nobody") == (None, None)


def test_a_mail_is_forgotten_unless_it_is_of_a_later_subscription(store: SubscriberStore) -> None:
    mail = mail_of(ann())
    store.replace_mail(mail, 0)

    store.forget_mail(mail.id, mail.subscribed_at - 1)
    assert store.read(mail.id)[1] == mail
    store.forget_mail(mail.id, mail.subscribed_at)
    store.forget_mail(mail.id, mail.subscribed_at)
    assert store.read(mail.id)[1] is None


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"status": "subscribed", "subscribed_at": NOON}, "missing required field `email`"),
        ({"status": "subscribed", "subscribed_at": NOON, "email": "no address"}, "email: "),
        ({"status": "subscribed", "subscribed_at": NOON, "email": "bob@example.com"}, "id: not the id of the email"),
        ({"status": "odd", "subscribed_at": NOON, "email": "bob@example.com"}, "status"),
        ({}, "missing required field"),
    ],
)
def test_a_malformed_item_is_reported_with_its_reason(
    emulator: str, subscribers_table: str, attributes: dict[str, Any], reason: str
) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    poison = {"id": f"poison-{uuid.uuid4().hex}", "kind": "subscriber"} | attributes
    client.put_item(TableName=subscribers_table, Item=dynamodb.item(poison))

    with pytest.raises(MalformedSubscriber, match=reason):
        SubscriberTable(client, subscribers_table).read(poison["id"])
    with pytest.raises(MalformedSubscriber, match=reason):
        change({"eventName": "INSERT", "dynamodb": images(poison)})


def images(new: dict[str, Any], image: str = "NewImage") -> dict[str, Any]:
    return {"Keys": dynamodb.item({"id": new["id"], "kind": new["kind"]}), image: dynamodb.item(new)}


def test_an_item_of_an_unknown_kind_is_malformed() -> None:
    with pytest.raises(MalformedSubscriber, match="kind 'odd'"):
        change({"eventName": "INSERT", "dynamodb": images({"id": "x", "kind": "odd"})})


def test_the_stream_reports_subscribers_and_no_mails(emulator: str, subscribers_table: str) -> None:
    table = SubscriberTable(boto3.client("dynamodb", endpoint_url=emulator), subscribers_table)
    subscriber, other = ann(), ann()
    mail = mail_of(subscriber)

    table.add(subscriber)
    table.replace_mail(mail, 0)
    table.settle_mail(mail.id, mail.subscribed_at, "id", NOON)
    table.remove(subscriber.id)
    table.forget_mail(mail.id, mail.subscribed_at)
    table.suppress(other)

    about = [r for r in records(emulator, subscribers_table) if r["dynamodb"]["Keys"]["id"]["S"] in (mail.id, other.id)]
    assert [change(record) for record in about] == [
        Subscribed(subscriber.id),
        None,
        None,
        Unsubscribed(subscriber.id, NOON),
        None,
        Subscribed(other.id),
    ]


def records(emulator: str, table: str) -> list[dict[str, Any]]:
    streams = boto3.client("dynamodbstreams", endpoint_url=emulator)
    arn = streams.list_streams(TableName=table)["Streams"][0]["StreamArn"]
    found: list[dict[str, Any]] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator and (answer := streams.get_records(ShardIterator=iterator))["Records"]:
            found += answer["Records"]
            iterator = answer.get("NextShardIterator")
    return found


@rows("blog-app", "Subscriber")
def test_a_subscriber_of_another_release_is_read(emulator: str, subscribers_table: str, row: dict[str, Any]) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=subscribers_table, Item=dynamodb.item(row))

    subscriber, _ = SubscriberTable(client, subscribers_table).read(row["id"])

    assert subscriber is not None
    assert subscriber.email == row["email"]
    assert change({"eventName": "INSERT", "dynamodb": images(row)}) == Subscribed(row["id"])


@rows("blog-app", "WelcomeMail")
def test_a_mail_of_another_release_is_read_and_settled(
    emulator: str, subscribers_table: str, row: dict[str, Any]
) -> None:
    client = boto3.client("dynamodb", endpoint_url=emulator)
    client.put_item(TableName=subscribers_table, Item=dynamodb.item(row))
    store = SubscriberTable(client, subscribers_table)

    _, mail = store.read(row["id"])

    assert mail is not None
    assert (mail.token, mail.sent_at) == (row["token"], None)
    assert store.replace_mail(replace(mail, attempts=2), 1)
    client.put_item(TableName=subscribers_table, Item=dynamodb.item(row))
    store.settle_mail(mail.id, mail.subscribed_at, "id", NOON)
    assert store.read(row["id"])[1] == replace(mail, sent_at=NOON, message_id="id")
