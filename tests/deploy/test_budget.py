"""`make budget`: the limit of the account, and who gets the mails."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from deploy import budget


@pytest.fixture
def budgets(emulator: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    return boto3.client("budgets", "us-east-1")


def known(budgets: Any) -> tuple[str, set[tuple[str, float, str]]]:
    """Return the limit, and the kind, the percents and the address of each mail."""
    place = {"AccountId": "000000000000", "BudgetName": budget.NAME}
    limit = budgets.describe_budget(**place)["Budget"]["BudgetLimit"]["Amount"]
    mails = set()
    for each in budgets.describe_notifications_for_budget(**place)["Notifications"]:
        wanted = {name: each[name] for name in ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")}
        answer = budgets.describe_subscribers_for_notification(**place, Notification=wanted)
        mails |= {(each["NotificationType"], each["Threshold"], one["Address"]) for one in answer["Subscribers"]}
    return limit, mails


def test_a_budget_mails_before_and_at_its_limit(budgets: Any) -> None:
    budget.limit(300, "ops@example.com")

    limit, mails = known(budgets)
    assert float(limit) == 300
    assert {(kind, percent) for kind, percent, _ in mails} == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}
    assert {address for _, _, address in mails} == {"ops@example.com"}


def test_the_last_limit_and_address_count(budgets: Any) -> None:
    budget.limit(300, "ops@example.com")
    budget.limit(500, "team@example.com")

    limit, mails = known(budgets)
    assert float(limit) == 500
    assert {address for _, _, address in mails} == {"team@example.com"}
