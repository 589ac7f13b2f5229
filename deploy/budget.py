"""The budget of the account: mails before a month costs more than expected: `make budget`.

It belongs to the account and not to a stage, so no stack has it. AWS updates costs a few times a day, so a mail may be
late by hours: a budget warns, and stops nothing.
https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-best-practices.html
"""

from __future__ import annotations

from contextlib import suppress

from deploy.account import client

NAME = "chalice-suite"
_REGION = "us-east-1"
"""Where AWS Budgets answers, for all Regions."""

_MAILS = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
"""When mails are sent: the cost so far, or the forecast for the month, is above so many percent of the limit."""


def limit(dollars: int, email: str) -> None:
    """Set the limit of a month for the whole account, with mails to *email*. It replaces the limit before."""
    budgets = client("budgets", _REGION)
    account = client("sts").get_caller_identity()["Account"]
    with suppress(budgets.exceptions.NotFoundException):
        budgets.delete_budget(AccountId=account, BudgetName=NAME)
    budgets.create_budget(
        AccountId=account,
        Budget={
            "BudgetName": NAME,
            "BudgetLimit": {"Amount": str(dollars), "Unit": "USD"},
            "TimeUnit": "MONTHLY",
            "BudgetType": "COST",
        },
        NotificationsWithSubscribers=[
            {
                "Notification": {
                    "NotificationType": kind,
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": percent,
                    "ThresholdType": "PERCENTAGE",
                },
                "Subscribers": [{"SubscriptionType": "EMAIL", "Address": email}],
            }
            for kind, percent in _MAILS
        ],
    )
