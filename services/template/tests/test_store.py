"""The contract of every store of {{ things }}: in memory, and the table."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import msgspec
import pytest
import yaml
from memory import Memory{{ Things }}
from rows import rows

from chalicelib.table import {{ Thing }}Table
from chalicelib.{{ things }} import {{ Thing }}, {{ Thing }}Query, {{ Thing }}Store
from common import dynamodb
from common.errors import IdempotencyKeyReused, InvalidInput, NotFound, PreconditionFailed
from common.ids import new_id


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> {{ Thing }}Store:
    if request.param == "memory":
        return Memory{{ Things }}()
    table, client = a_table(request.getfixturevalue("emulator"))
    return {{ Thing }}Table(client, table)


def a_table(emulator: str) -> tuple[str, Any]:
    """Return the name of a new table as in resources.yaml, and a client."""
    client = boto3.client("dynamodb", endpoint_url=emulator)
    yaml.SafeLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
    resources = yaml.safe_load(Path("{{ app }}/resources.yaml").read_text())["Resources"]
    wanted = ("AttributeDefinitions", "KeySchema", "BillingMode")
    name = f"{os.environ['TABLE']}-{new_id()}"
    client.create_table(TableName=name, **{key: resources["{{ Things }}"]["Properties"][key] for key in wanted})
    return name, client


def {{ a }}_{{ thing }}(name: str = "first") -> {{ Thing }}:
    moment = "2030-01-01T00:00:00Z"
    return {{ Thing }}(id=new_id(), name=name, created_at=moment, updated_at=moment, version=1)


def test_an_added_item_is_read_and_listed(store: {{ Thing }}Store) -> None:
    {{ thing }} = store.add({{ a }}_{{ thing }}())

    assert store.get({{ thing }}.id) == {{ thing }}
    assert store.get(new_id()) is None
    assert store.list({{ Thing }}Query()).items == [{{ thing }}]


def test_a_list_is_newest_first_and_its_pages_have_each_item_once(store: {{ Thing }}Store) -> None:
    ids = sorted(store.add({{ a }}_{{ thing }}(str(n))).id for n in range(5))

    first = store.list({{ Thing }}Query(limit=3))
    second = store.list({{ Thing }}Query(limit=3, cursor=first.cursor))

    assert [{{ thing }}.id for {{ thing }} in [*first.items, *second.items]] == ids[::-1]
    assert second.cursor is None
    with pytest.raises(InvalidInput, match="cursor"):
        store.list({{ Thing }}Query(cursor="%%%"))


def test_a_page_of_1_mb_has_fewer_items_and_a_cursor() -> None:
    {{ thing }} = {{ a }}_{{ thing }}()
    item = dynamodb.item(msgspec.structs.asdict({{ thing }}))
    answer = {"Items": [item], "LastEvaluatedKey": {"kind": {"S": "{{ thing }}"}, "id": item["id"]}}
    client = SimpleNamespace(query=lambda **_: answer)

    page = {{ Thing }}Table(client, "any").list({{ Thing }}Query())

    assert page.items == [{{ thing }}]
    assert page.cursor


def test_an_update_requires_one_of_its_versions(store: {{ Thing }}Store) -> None:
    {{ thing }} = store.add({{ a }}_{{ thing }}())

    changed = store.update({{ thing }}.id, {"name": "second"}, ["1"])

    assert (changed.name, changed.version) == ("second", 2)
    with pytest.raises(PreconditionFailed):
        store.update({{ thing }}.id, {"name": "third"}, ["1"])
    with pytest.raises(NotFound):
        store.update(new_id(), {"name": "third"}, None)
    assert store.get({{ thing }}.id) == changed


def test_a_removed_item_is_neither_read_nor_listed(store: {{ Thing }}Store) -> None:
    {{ thing }} = store.add({{ a }}_{{ thing }}())

    with pytest.raises(PreconditionFailed):
        store.remove({{ thing }}.id, ["2"])
    store.remove({{ thing }}.id, ["1"])

    assert store.get({{ thing }}.id) is None
    with pytest.raises(NotFound):
        store.remove({{ thing }}.id, None)


def test_a_second_add_with_the_same_key_returns_the_first(store: {{ Thing }}Store) -> None:
    first = store.add_once({{ a }}_{{ thing }}(), "key", "fingerprint")

    assert store.add_once({{ a }}_{{ thing }}(), "key", "fingerprint") == first
    with pytest.raises(IdempotencyKeyReused):
        store.add_once({{ a }}_{{ thing }}(), "key", "another")
    assert store.list({{ Thing }}Query()).items == [first]


@rows("{{ app }}", "{{ Thing }}")
def test_{{ a }}_{{ thing }}_of_another_release_is_read(emulator: str, row: dict[str, Any]) -> None:
    table, client = a_table(emulator)
    client.put_item(TableName=table, Item=dynamodb.item(row))

    {{ thing }} = {{ Thing }}Table(client, table).get(row["id"])

    assert {{ thing }} is not None
    assert {{ thing }}.name == row["name"]
