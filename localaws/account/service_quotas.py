"""Gap: there is no Service Quotas API, so an account can neither see its quotas nor ask for more.

The API shows the quotas that localaws enforces. Service Quotas does not say which quotas it is missing: a quota that is
not listed here does not exist. A request for more is pending, or granted at once if `LOCALAWS_GRANT_REQUESTS=1`.
AWS: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/Welcome.html
No longer needed when GetServiceQuota of `lambda` returns the quota that the emulator enforces.
"""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import (
    AccountRegionScopedDict,
    error_response_json,
    get_account_id,
    get_region,
    json_response,
)

from localaws.account import requests
from localaws.account.quotas import GLOBAL_REGION, QUOTAS, Quota, applied, grant

SERVICE = "servicequotas"
TARGET = "ServiceQuotasV20190624."
TOO_LOW = "You must provide a quota value greater than the current quota value"
ALREADY_OPEN = "Only one open service quota increase request is allowed per quota."
UNKNOWN_SERVICE = "The request failed because the specified service does not exist."
UNKNOWN = "The request failed because the specified resource does not exist."
JSON = "application/x-amz-json-1.1"

type Json = dict[str, Any]

_requests = AccountRegionScopedDict()
"""By id the requests for higher quotas."""


class Refused(Exception):
    """An error response: its code and message."""


def get_service_quota(request: Json) -> Json:
    quota = find(request)
    return {"Quota": describe(quota, applied(quota))}


def get_default_quota(request: Json) -> Json:
    quota = find(request)
    return {"Quota": describe(quota, quota.value)}


def list_service_quotas(request: Json) -> Json:
    return {"Quotas": [describe(quota, applied(quota)) for quota in of_service(request)]}


def list_default_quotas(request: Json) -> Json:
    return {"Quotas": [describe(quota, quota.value) for quota in of_service(request)]}


def list_services(request: Json) -> Json:
    services = {quota.service: quota.service_name for quota in QUOTAS}
    return {"Services": [{"ServiceCode": code, "ServiceName": name} for code, name in services.items()]}


def request_increase(request: Json) -> Json:
    quota, wanted = find(request), float(request.get("DesiredValue") or 0)
    if not quota.adjustable:
        raise Refused("IllegalArgumentException", "The quota is not adjustable.")
    if wanted <= applied(quota):
        raise Refused("IllegalArgumentException", TOO_LOW)
    if any(each["QuotaCode"] == quota.code and each["Status"] == "PENDING" for each in _requests.values()):
        raise Refused("ResourceAlreadyExistsException", ALREADY_OPEN)
    made = describe(quota, wanted)
    for name in ("Value", "Adjustable"):
        del made[name]
    made |= {
        "Id": uuid.uuid4().hex + uuid.uuid4().hex[:8],
        "DesiredValue": wanted,
        "Status": "APPROVED" if requests.granted() else "PENDING",
        "Created": time.time(),
        "LastUpdated": time.time(),
    }
    _requests[made["Id"]] = made
    if requests.granted():
        grant(quota, wanted)
    return {"RequestedQuota": made}


def get_request(request: Json) -> Json:
    made = _requests.get(request.get("RequestId"))
    if made is None:
        raise Refused("NoSuchResourceException", UNKNOWN)
    return {"RequestedQuota": made}


def list_requests(request: Json) -> Json:
    fields = {name: request[name] for name in ("ServiceCode", "QuotaCode", "Status") if name in request}
    made = [each for each in _requests.values() if fields.items() <= each.items()]
    return {"RequestedQuotas": made}


OPERATIONS: dict[str, Callable[[Json], Json]] = {
    "GetServiceQuota": get_service_quota,
    "GetAWSDefaultServiceQuota": get_default_quota,
    "ListServiceQuotas": list_service_quotas,
    "ListAWSDefaultServiceQuotas": list_default_quotas,
    "ListServices": list_services,
    "RequestServiceQuotaIncrease": request_increase,
    "GetRequestedServiceQuotaChange": get_request,
    "ListRequestedServiceQuotaChangeHistory": list_requests,
    "ListRequestedServiceQuotaChangeHistoryByQuota": list_requests,
}


def of_service(request: Json) -> list[Quota]:
    """Return the service's quotas in this Region. Quotas of global services are in us-east-1 only."""
    found = [quota for quota in QUOTAS if quota.service == request.get("ServiceCode")]
    if not found:
        raise Refused("NoSuchResourceException", UNKNOWN_SERVICE)
    return [quota for quota in found if not quota.is_global or get_region() == GLOBAL_REGION]


def find(request: Json) -> Quota:
    for quota in of_service(request):
        if quota.code == request.get("QuotaCode"):
            return quota
    raise Refused("NoSuchResourceException", UNKNOWN)


def describe(quota: Quota, value: float) -> Json:
    return {
        "ServiceCode": quota.service,
        "ServiceName": quota.service_name,
        "QuotaArn": f"arn:aws:servicequotas:{get_region()}:{get_account_id()}:{quota.service}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": quota.is_global,
    }


async def handle_request(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
    operation = headers.get("x-amz-target", "").removeprefix(TARGET)
    if operation not in OPERATIONS:
        return error_response_json("UnknownOperationException", f"localaws does not have the operation {operation}.")
    try:
        return json_response(OPERATIONS[operation](json.loads(body or b"{}")), content_type=JSON)
    except Refused as refused:
        return error_response_json(*refused.args)


def apply() -> None:
    router.SERVICE_PATTERNS[SERVICE] = {"target_prefixes": [TARGET]}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
    app.SERVICE_HANDLERS[SERVICE] = handle_request
