"""A parameter that has no effect is refused by name, unless it is a listed exception."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws.coverage import parameters
from localaws.coverage.tracked import Tracked


def test_the_list_of_unread_parameters_is_up_to_date() -> None:
    up_to_date = parameters.UNREAD.read_text() == parameters.generate()

    assert up_to_date, "run python -m localaws.coverage.parameters"


def test_each_exception_is_a_parameter_that_nothing_reads() -> None:
    unread = {(o["service"], o["operation"], name) for o in parameters.unread() for name in o["parameters"]}
    for operation, listed in parameters.exceptions().items():
        service, _, name = operation.partition(".")
        for parameter in listed:
            assert any((service, parameter) == (s, p) and name in ("*", o) for s, o, p in unread), (
                operation,
                parameter,
            )


def test_the_table_of_exceptions_has_a_row_for_each() -> None:
    assert len(parameters.table().splitlines()) == 2 + sum(map(len, parameters.exceptions().values()))


REFUSED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "json": ("kinesis", "put_record", {"StreamName": "a", "Data": b"", "PartitionKey": "a", "DryRun": True}, "DryRun"),
    "query": ("sns", "create_topic", {"Name": "a", "DataProtectionPolicy": "{}"}, "DataProtectionPolicy"),
    "rest-json": ("apigateway", "create_rest_api", {"name": "a", "cloneFrom": "b"}, "cloneFrom"),
    "header": ("s3", "list_objects_v2", {"Bucket": "a", "RequestPayer": "requester"}, "RequestPayer"),
}


@pytest.mark.parametrize(("service", "operation", "request_", "parameter"), REFUSED.values(), ids=REFUSED)
def test_a_parameter_without_effect_is_refused_by_name(
    emulator: str, service: str, operation: str, request_: dict[str, Any], parameter: str
) -> None:
    client = boto3.client(service, endpoint_url=emulator)

    with pytest.raises(ClientError) as refusal:
        getattr(client, operation)(**request_)

    response = refusal.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert response["Error"]["Code"] == "NotImplemented"
    assert response["Error"]["Message"].endswith(f"the parameter {parameter} has no effect here")


def test_an_exception_is_accepted(emulator: str) -> None:
    assert "Roles" in boto3.client("iam", endpoint_url=emulator).list_roles(MaxItems=10)


def test_an_item_may_have_the_name_of_a_refused_parameter(emulator: str) -> None:
    table = boto3.client("dynamodb", endpoint_url=emulator)
    table.create_table(
        TableName="coverage",
        KeySchema=[{"AttributeName": "ResourcePolicy", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "ResourcePolicy", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_a_bucket_must_have_the_expected_owner(emulator: str) -> None:
    s3 = boto3.client("s3", endpoint_url=emulator)
    s3.create_bucket(Bucket="expected-owner")

    s3.put_object(Bucket="expected-owner", Key="a", ExpectedBucketOwner="000000000000")
    with pytest.raises(ClientError, match="Access Denied"):
        s3.put_object(Bucket="expected-owner", Key="b", ExpectedBucketOwner="111111111111")
    with pytest.raises(ClientError, match="Access Denied"):
        s3.copy_object(
            Bucket="expected-owner",
            Key="c",
            CopySource="expected-owner/a",
            ExpectedSourceBucketOwner="111111111111",
        )
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="expected-owner")["Contents"]] == ["a"]


def test_tracked_records_what_is_read() -> None:
    source = {"A": 1, "B": {"C": 1, "D": 2}, "E": [{"F": 1, "G": 2}], "H": {"I": 1, "J": 1}, "K": {"L": 1}, "M": 1}
    properties = Tracked(source)

    assert "A" in properties
    properties.get("M")
    properties["B"]["C"]
    properties["E"][0]["F"]
    stored = properties["H"]
    stored["I"]
    properties["K"]

    assert properties.unread() == ["A", "B.D", "E.G", "K.L"]
    assert stored == {"I": 1, "J": 1}


def test_a_copy_of_tracked_reads_all() -> None:
    for copy in (dict, Tracked.copy, lambda properties: {**properties}, lambda properties: properties | {}):
        properties = Tracked({"A": 1, "B": 2})

        assert copy(properties) == {"A": 1, "B": 2}
        assert properties.unread() == []
