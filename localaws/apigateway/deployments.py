"""Gap: a change of an API takes effect at once, and a deployment can be made of an API that has nothing to deploy.

A stage serves the resources, methods and integrations that the API had when its deployment was created. A deployment
needs a method, and an integration for each method. A deployment that a stage uses cannot be deleted. A deployment from
before a restart of the emulator serves the API as it is.
AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-deploy-api.html
AWS: https://docs.aws.amazon.com/apigateway/latest/api/API_DeleteDeployment.html
No longer needed when a stage serves the old integration until the API is deployed again.
"""

import copy
from contextvars import ContextVar
from typing import Any

from ministack.core.responses import AccountRegionScopedDict
from ministack.services import apigateway_v1 as gateway

from localaws.apigateway import canary

deployed: AccountRegionScopedDict = AccountRegionScopedDict()
"""The resources of each deployment, by the IDs of its API and of itself."""

serving: ContextVar[tuple[str, Any] | None] = ContextVar("serving", default=None)


class Resources(AccountRegionScopedDict):  # type: ignore[misc]
    """The resources of each API: during a request, those of the stage's deployment."""

    def get(self, key: str, default: Any = None) -> Any:
        served = serving.get()
        if served and served[0] == key:
            return served[1]
        return super().get(key, default)


def refusal(api_id: str) -> str | None:
    """Return why the API cannot be deployed, or None."""
    resources = gateway._resources.get(api_id, {}).values()
    methods = [method for resource in resources for method in resource["resourceMethods"].values()]
    if not methods:
        return "The REST API doesn't contain any methods"
    if not all(method.get("methodIntegration") for method in methods):
        return "No integration defined for method"
    return None


def with_snapshot(create: Any) -> Any:
    def create_deployment(api_id: str, data: dict[str, Any]) -> Any:
        if api_id in gateway._rest_apis and (reason := refusal(api_id)):
            return gateway._v1_error("BadRequestException", reason, 400)
        before = set(gateway._deployments_v1.get(api_id, {}))
        response = create(api_id, data)
        for deployment_id in set(gateway._deployments_v1.get(api_id, {})) - before:
            deployed[api_id, deployment_id] = copy.deepcopy(gateway._resources[api_id])
        return response

    return create_deployment


def with_active_check(delete: Any) -> Any:
    def delete_deployment(api_id: str, deployment_id: str) -> Any:
        stages = list(gateway._stages_v1.get(api_id, {}).values())
        used = {(one.get("canarySettings") or {}).get("deploymentId") for one in stages}
        if deployment_id in used | {one.get("deploymentId") for one in stages}:
            reason = "Active stages pointing to this deployment must be moved or deleted"
            return gateway._v1_error("BadRequestException", reason, 400)
        deployed.pop((api_id, deployment_id), None)
        return delete(api_id, deployment_id)

    return delete_deployment


def of_stage(api_id: str, stage_name: str) -> tuple[str, Any] | None:
    """Return the API's id and the resources that the stage serves, or None if they are not known."""
    stage = gateway._stages_v1.get(api_id, {}).get(stage_name) or {}
    serving_stage = canary.chosen(stage) or stage
    resources = deployed.get((api_id, serving_stage.get("deploymentId")))
    return None if resources is None else (api_id, resources)


def with_deployed_resources(execute: Any) -> Any:
    async def respond(request: dict[str, Any], api_id: str, stage_name: str, *call: Any) -> Any:
        token = serving.set(of_stage(api_id, stage_name))
        try:
            return await execute(request, api_id, stage_name, *call)
        finally:
            serving.reset(token)

    return respond


def with_deployed_authorization(authorization_type: Any) -> Any:
    """Wrap the function that finds the authorization of a method, which is called before the request is executed."""

    def find(api_id: str, stage_name: str, *request: Any) -> Any:
        scope = gateway.find_api_scope(api_id)
        if scope is None:
            return None
        with gateway.request_scope(*scope):
            token = serving.set(of_stage(api_id, stage_name))
        try:
            return authorization_type(api_id, stage_name, *request)
        finally:
            serving.reset(token)

    return find


def apply() -> None:
    gateway._resources = Resources()
    gateway._create_deployment = with_snapshot(gateway._create_deployment)
    gateway._delete_deployment = with_active_check(gateway._delete_deployment)
    gateway._execute_in_scope = with_deployed_resources(gateway._execute_in_scope)
    gateway.method_authorization_type = with_deployed_authorization(gateway.method_authorization_type)
