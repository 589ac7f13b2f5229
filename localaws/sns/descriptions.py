"""Gap: topics and subscriptions are described with fewer attributes than on AWS.

A topic's default policy names all actions of the owner, and its delivery policy all settings. A subscription names the
principal who made it, and the scope of its filter policy if it has one.
AWS: https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
AWS: https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html
No longer needed when GetSubscriptionAttributes returns `SubscriptionPrincipal`.
"""

import base64
import json
from typing import Any

from ministack.core.iam_evaluator import caller_arn
from ministack.services import sns

ACTIONS = [
    "SNS:GetTopicAttributes",
    "SNS:SetTopicAttributes",
    "SNS:AddPermission",
    "SNS:RemovePermission",
    "SNS:DeleteTopic",
    "SNS:Subscribe",
    "SNS:ListSubscriptionsByTopic",
    "SNS:Publish",
]
"""The actions of a topic's default policy."""

DELIVERY_POLICY = {
    "http": {
        "defaultHealthyRetryPolicy": {
            "minDelayTarget": 20,
            "maxDelayTarget": 20,
            "numRetries": 3,
            "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0,
            "numMinDelayRetries": 0,
            "backoffFunction": "linear",
        },
        "disableSubscriptionOverrides": False,
        "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
    }
}


def with_all_actions(create: Any) -> Any:
    def create_topic(params: dict[str, Any]) -> Any:
        before = set(sns._topics)
        response = create(params)
        for arn in set(sns._topics) - before:
            attributes = sns._topics[arn]["attributes"]
            policy = json.loads(attributes["Policy"])
            if policy.get("Id") == "__default_policy_ID" and "Policy" not in given(params):
                policy["Statement"][0]["Action"] = ACTIONS
                attributes["Policy"] = json.dumps(policy)
            attributes["EffectiveDeliveryPolicy"] = json.dumps(DELIVERY_POLICY)
        return response

    return create_topic


def given(params: dict[str, Any]) -> set[str]:
    """Return the names of the attributes in the request."""
    return {sns._p(params, name) for name in params if name.startswith("Attributes.entry.") and name.endswith(".key")}


def with_principal(subscribe: Any) -> Any:
    def subscribe_as_caller(params: dict[str, Any]) -> Any:
        before = set(sns._sub_arn_to_topic)
        response = subscribe(params)
        for arn in set(sns._sub_arn_to_topic) - before:
            subscription = sns._find_subscription(sns._sub_arn_to_topic[arn], arn)
            subscription["attributes"]["SubscriptionPrincipal"] = caller_arn()
            lower_boolean(subscription)
            if sns._p(params, "ReturnSubscriptionArn").lower() == "true":  # also before it is confirmed
                element = f"<SubscriptionArn>{arn}</SubscriptionArn>"
                return sns._xml(200, "SubscribeResponse", f"<SubscribeResult>{element}</SubscribeResult>")
        return response

    return subscribe_as_caller


def with_boolean(run: Any) -> Any:
    """Wrap SetSubscriptionAttributes: RawMessageDelivery is kept in lower case."""

    def set_attributes(params: dict[str, Any]) -> Any:
        response = run(params)
        arn = sns._p(params, "SubscriptionArn")
        if subscription := sns._find_subscription(sns._sub_arn_to_topic.get(arn, ""), arn):
            lower_boolean(subscription)
        return response

    return set_attributes


def lower_boolean(subscription: dict[str, Any]) -> None:
    attributes = subscription["attributes"]
    attributes["RawMessageDelivery"] = attributes["RawMessageDelivery"].lower()


def with_scope(get: Any) -> Any:
    """Wrap GetSubscriptionAttributes: the scope of the filter policy is there exactly if there is a policy."""

    def get_attributes(params: dict[str, Any]) -> Any:
        arn = sns._p(params, "SubscriptionArn")
        subscription = sns._find_subscription(sns._sub_arn_to_topic.get(arn, ""), arn)
        if subscription is None:
            return get(params)
        stored = subscription["attributes"]
        shown = {
            name: value for name, value in stored.items() if value or name not in ("FilterPolicy", "RedrivePolicy")
        }
        if shown.get("FilterPolicy"):
            shown.setdefault("FilterPolicyScope", "MessageAttributes")
        else:
            shown.pop("FilterPolicyScope", None)
        subscription["attributes"] = shown
        try:
            return get(params)
        finally:
            subscription["attributes"] = stored

    return get_attributes


def with_aws_actions(add: Any) -> Any:
    """Wrap AddPermission: the policy spells actions as AWS does, and a single one is no list."""

    def add_permission(params: dict[str, Any]) -> Any:
        response = add(params)
        topic = sns._topic_by_arn_any_scope(sns._p(params, "TopicArn"))
        if response[0] >= 400 or topic is None:
            return response
        policy = json.loads(topic["attributes"]["Policy"])
        statement = policy["Statement"][-1]
        actions = [f"SNS:{action.partition(':')[2]}" for action in statement["Action"]]
        principals = [f"arn:aws:iam::{account}:root" for account in statement["Principal"]["AWS"]]
        statement["Action"] = actions[0] if len(actions) == 1 else actions
        statement["Principal"]["AWS"] = principals[0] if len(principals) == 1 else principals
        topic["attributes"]["Policy"] = json.dumps(policy)
        return response

    return add_permission


PAGE = 100


def with_pages(_: Any) -> Any:
    """Return ListSubscriptionsByTopic with at most 100 subscriptions and an opaque token for the next ones."""

    def list_by_topic(params: dict[str, Any]) -> Any:
        topic, error = sns._get_topic(sns._p(params, "TopicArn"), "sns:ListSubscriptionsByTopic")
        if error is not None:
            return error
        token = sns._p(params, "NextToken")
        start = int(base64.b64decode(token)) if token else 0
        members = "".join(map(member, topic["subscriptions"][start : start + PAGE]))
        following = ""
        if len(topic["subscriptions"]) > start + PAGE:
            following = f"<NextToken>{base64.b64encode(str(start + PAGE).encode()).decode()}</NextToken>"
        listed = f"<Subscriptions>{members}</Subscriptions>{following}"
        result = f"<ListSubscriptionsByTopicResult>{listed}</ListSubscriptionsByTopicResult>"
        return sns._xml(200, "ListSubscriptionsByTopicResponse", result)

    return list_by_topic


def member(subscription: dict[str, Any]) -> str:
    values = {
        "SubscriptionArn": subscription["arn"] if subscription["confirmed"] else "PendingConfirmation",
        "Owner": subscription["owner"],
        "TopicArn": subscription["topic_arn"],
        "Protocol": subscription["protocol"],
        "Endpoint": subscription["endpoint"],
    }
    return f"<member>{''.join(f'<{name}>{sns._xml_escape(value)}</{name}>' for name, value in values.items())}</member>"


def apply() -> None:
    sns._add_permission = with_aws_actions(sns._add_permission)
    sns._list_subscriptions_by_topic = with_pages(sns._list_subscriptions_by_topic)
    sns._create_topic = with_all_actions(sns._create_topic)
    sns._subscribe = with_principal(sns._subscribe)
    sns._set_subscription_attributes = with_boolean(sns._set_subscription_attributes)
    sns._get_subscription_attributes = with_scope(sns._get_subscription_attributes)
