"""Gap: CloudFormation supports no DAX resources, and the emulator has no DAX clusters.

This module runs each cluster as a DAX server in the emulator's process and enforces IAM. A cluster has one node and no
TLS endpoint.
AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_DAX.html
No longer needed when CloudFormation creates an AWS::DAX::Cluster whose endpoint accepts a DAX client.
"""

import functools
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from ministack import app
from ministack.core import iam_evaluator, responses, sigv4
from ministack.core.iam_actions import identity_denial_message
from ministack.services import cloudformation
from ministack.services.cloudformation import provisioners

from localaws.iam import root_key

if TYPE_CHECKING:
    from localaws.dax.cache import Cluster

type Props = dict[str, Any]
type Provisioned = tuple[str, dict[str, Any]]

TTLS = {"record-ttl-millis": "300000", "query-ttl-millis": "300000"}
REPLACING = (
    "ClusterEndpointEncryptionType",
    "ClusterName",
    "IAMRoleARN",
    "NodeType",
    "SSESpecification",
    "SubnetGroupName",
)

# A name is unique in an account and Region.
_parameter_groups = responses.AccountRegionScopedDict()
_clusters = responses.AccountRegionScopedDict()


def apply() -> None:
    """Register the three resource types, stop all clusters at a reset, and start the clusters of persisted stacks."""
    provisioners._RESOURCE_HANDLERS |= {
        "AWS::DAX::Cluster": {"create": _create, "update": _update, "delete": _delete},
        "AWS::DAX::ParameterGroup": {
            "create": _create_parameter_group,
            "update": _update_parameter_group,
            "delete": lambda name, props: _parameter_groups.pop(name, None),
        },
        "AWS::DAX::SubnetGroup": {"create": _create_subnet_group, "delete": lambda name, props: None},
    }
    provisioners._REPLACING_PROPERTIES |= {
        "AWS::DAX::Cluster": REPLACING,
        "AWS::DAX::ParameterGroup": ("ParameterGroupName", "Description"),
        "AWS::DAX::SubnetGroup": ("SubnetGroupName",),
    }
    reset = app._reset_all_state

    def stop_and_reset() -> None:
        for running in _clusters.all_values():
            running.stop()
        _clusters.clear()
        _parameter_groups.clear()
        reset()

    app._reset_all_state = stop_and_reset
    load = app._load_persisted_state

    def load_and_start() -> None:
        load()
        _start_persisted()

    app._load_persisted_state = load_and_start


def _start_persisted() -> None:
    """Start the clusters of persisted stacks on their previous ports, with empty caches."""
    scopes: dict[tuple[str, str], list[Props]] = {}
    for (account, region, _), stack in cloudformation._stacks.to_dict().items():
        scopes.setdefault((account, region), []).extend(stack["_resources"].values())
    for scope, resources in scopes.items():
        with responses.request_scope(*scope):
            _start(resources)


def _start(resources: list[Props]) -> None:
    for resource in resources:
        if resource["ResourceType"] == "AWS::DAX::ParameterGroup":
            _update_parameter_group(resource["PhysicalResourceId"], {}, resource["Properties"], "")
    for resource in resources:
        if resource["ResourceType"] == "AWS::DAX::Cluster":
            name, port = (
                resource["PhysicalResourceId"],
                resource["Attributes"]["ClusterDiscoveryEndpoint"].split(":")[1],
            )
            _clusters[name] = _RunningCluster(name, resource["Properties"].get("ParameterGroupName"), int(port))


class _RunningCluster:
    """A running cluster with its server and metrics publisher."""

    def __init__(self, name: str, parameter_group: str | None, port: int) -> None:
        # Importing the DAX client takes 0.2 s, and most emulators start no cluster.
        from localaws.dax.cache import Cluster
        from localaws.dax.server import Server

        self._arn = f"arn:aws:dax:{responses.get_region()}:{responses.get_account_id()}:cache/{name}"
        self.parameter_group = parameter_group
        self.cluster = Cluster(_client("dynamodb"))
        self.set_ttls()
        self.server = Server(self.cluster, arn=self._arn, authorize=authorize, port=port)
        self.server.start()
        self._publisher = _Publisher(name, self.cluster)
        self._publisher.start()

    def set_ttls(self) -> None:
        ttls = TTLS | _parameter_groups.get(self.parameter_group or "", {})
        self.cluster.set_ttls(
            record_ttl_millis=int(ttls["record-ttl-millis"]), query_ttl_millis=int(ttls["query-ttl-millis"])
        )

    def attributes(self) -> dict[str, str]:
        url = self.server.endpoint_url
        return {
            "Arn": self._arn,
            "ClusterDiscoveryEndpoint": url.removeprefix("dax://"),
            "ClusterDiscoveryEndpointURL": url,
        }

    def stop(self) -> None:
        self._publisher.stop()
        self.server.stop()


class _Publisher(threading.Thread):
    """A thread that publishes the metrics of each second to CloudWatch, except values of zero.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/dax-metrics-dimensions-dax.html
    """

    def __init__(self, cluster_id: str, cluster: "Cluster") -> None:
        super().__init__(name=f"dax-metrics-{cluster_id}", daemon=True)
        self._dimensions = [{"Name": "ClusterId", "Value": cluster_id}]
        self._cluster = cluster
        self._cloudwatch = _client("cloudwatch")
        self._published: Counter[str] = Counter()
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.wait(1):
            counted = Counter(self._cluster.metrics())
            if new := counted - self._published:
                self._put(new)
                self._published = counted

    def _put(self, new: Counter[str]) -> None:
        data = [
            {"MetricName": name, "Dimensions": self._dimensions, "Unit": "Count", "Value": value}
            for name, value in new.items()
        ]
        try:
            self._cloudwatch.put_metric_data(Namespace="AWS/DAX", MetricData=data)
        except (BotoCoreError, ClientError) as error:
            app.logger.warning("DAX metrics were not published: %s", error)


def authorize(
    access_key: str,
    session_token: str | None,
    string_to_sign: bytes,
    signature: str,
    action: str | None,
    resource_arn: str,
) -> None:
    """Verify the signature of the caller and evaluate its policies, or raise ClientError.

    The emulator accepts the root key without verification for every service, and so does this function.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DAX.access-control.html
    """
    if not app.AUTH or iam_evaluator.is_root_access_key(access_key):
        return
    region = resource_arn.split(":")[3]
    responses.set_request_account_id(app._request_account_scope(access_key))
    responses.set_request_region(region)
    _authenticate(access_key, session_token, string_to_sign.decode(), signature)
    if action is None:
        return
    denied = iam_evaluator.enforce(access_key, action, "dax", region, resource_arn=resource_arn)
    if isinstance(denied, iam_evaluator.AuthError):
        raise _client_error(denied.code, denied.message)
    if denied:
        explicit = denied.decision == "Deny"
        message = identity_denial_message(action, denied.principal_arn, resource_arn, explicit)
        raise _client_error("AccessDeniedException", message)


def _authenticate(access_key: str, session_token: str | None, string_to_sign: str, signature: str) -> None:
    credential = iam_evaluator.resolve_credential(access_key, responses.get_account_id(), session_token or "")
    if isinstance(credential, iam_evaluator.CredentialResolutionError):
        raise _client_error(credential.code, credential.message)
    try:
        _algorithm, amz_date, scope, _digest = string_to_sign.split("\n")
        date, region, service, _terminator = scope.split("/")
    except ValueError:
        raise _client_error("SignatureDoesNotMatch", sigv4.SIGNATURE_MISMATCH) from None
    signed = sigv4.HeaderSignature(access_key, date, region, service, "host;x-amz-date", signature, amz_date)
    headers = {"host": "dax.amazonaws.com", "x-amz-date": amz_date}
    failure = sigv4.request_time_failure(signed) or sigv4.header_signature_failure(
        signed, credential.secret_access_key, "POST", "/", {}, headers, b""
    )
    if failure:
        raise _client_error(*failure)


def _client_error(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "DAX")


_session = functools.cache(boto3.Session)
"""The session of all clusters, which reads the models of services once."""


def _client(service: str) -> Any:
    """Return a client that calls the emulator over HTTP with the root key, as an external client does."""
    return _session().client(
        service,
        endpoint_url=f"http://127.0.0.1:{app._resolve_port()}",
        region_name=responses.get_region(),
        aws_access_key_id=root_key.access_key_id(),
        aws_secret_access_key=root_key.secret_access_key(),
    )


def _create(logical_id: str, props: Props, stack_name: str) -> Provisioned:
    if props.get("ClusterEndpointEncryptionType") == "TLS":
        raise ValueError(
            "AWS::DAX::Cluster: localaws does not support TLS endpoints. Set ClusterEndpointEncryptionType to NONE."
        )
    name = props.get("ClusterName") or _generated_name(stack_name, logical_id, 20)
    if name in _clusters:
        raise ValueError(f"AWS::DAX::Cluster: {name} already exists")
    port = 0 if _clusters.has_any() else int(os.environ.get("LOCALAWS_DAX_PORT", "0"))
    _clusters[name] = _RunningCluster(name, props.get("ParameterGroupName"), port)
    return name, _clusters[name].attributes()


def _update(name: str, old: Props, new: Props, stack_name: str) -> Provisioned:
    running: _RunningCluster = _clusters[name]
    running.parameter_group = new.get("ParameterGroupName")
    running.set_ttls()
    return name, running.attributes()


def _delete(name: str, props: Props) -> None:
    if name in _clusters:
        _clusters.pop(name).stop()


def _create_parameter_group(logical_id: str, props: Props, stack_name: str) -> Provisioned:
    name = props.get("ParameterGroupName") or _generated_name(stack_name, logical_id, 255)
    return _update_parameter_group(name, {}, props, stack_name)


def _update_parameter_group(name: str, old: Props, new: Props, stack_name: str) -> Provisioned:
    values = new.get("ParameterNameValues") or {}
    _parameter_groups[name] = {parameter: str(value) for parameter, value in values.items()}
    for running in _clusters.values():
        running.set_ttls()
    return name, {}


def _create_subnet_group(logical_id: str, props: Props, stack_name: str) -> Provisioned:
    name = props.get("SubnetGroupName") or _generated_name(stack_name, logical_id, 255)
    return name, {"Id": name}


def _generated_name(stack_name: str, logical_id: str, length: int) -> str:
    return str(provisioners._physical_name(stack_name, logical_id, lowercase=True, max_len=length))
