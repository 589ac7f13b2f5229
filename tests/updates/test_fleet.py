"""The update servers of both templates: which servers are in service, and what the edge's template closes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import yaml
from waiting import until

import deploy.updates
from localaws.autoscaling.instances import AutoScalingGroup
from localaws.efs import file_system

ROOT = Path(__file__).parents[2]
STOCK = "from ministack.app import main; main()"


@pytest.fixture(scope="module")
def stack(endpoint: str) -> dict[str, str]:
    return deploy.updates.deploy("before", "fleet")


@pytest.fixture(scope="module")
def servers(stack: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[AutoScalingGroup]:
    folder = tmp_path_factory.mktemp("servers")
    packages = file_system(folder, stack["FileSystem"]) / "packages"
    packages.mkdir()
    (packages / "app.bin").write_bytes(b"a package")
    servers = AutoScalingGroup.in_stack("updates-fleet", folder, folder)
    servers.start()
    yield servers
    servers.stop()


def in_service() -> set[int]:
    elb = boto3.client("elbv2")
    group = next(g for g in elb.describe_target_groups()["TargetGroups"] if "fleet" in g["TargetGroupName"])
    health = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    return {description["Target"]["Port"] for description in health}


def test_the_desired_number_of_servers_serves_behind_the_load_balancer(
    servers: AutoScalingGroup, emulator: str
) -> None:
    until(lambda: len(in_service()) == 3)

    answers = [httpx.get(f"{emulator}/_alb/updates-fleet/packages/app.bin") for _ in range(10)]

    assert {answer.content for answer in answers} == {b"a package"}
    assert len({answer.headers["etag"] for answer in answers}) == 1


def test_the_servers_follow_the_desired_capacity(servers: AutoScalingGroup) -> None:
    autoscaling = boto3.client("autoscaling")
    for desired in (4, 3):
        autoscaling.set_desired_capacity(AutoScalingGroupName="updates-fleet", DesiredCapacity=desired)
        until(lambda desired=desired: len(in_service()) == len(servers.pids) == desired)  # type: ignore[misc]


def test_a_server_that_exits_is_replaced(servers: AutoScalingGroup) -> None:
    before = until(lambda: len(in_service()) == 3 and in_service())
    os.kill(servers.pids[0], signal.SIGKILL)

    after = until(lambda: len(in_service() - before) == 1 and in_service())

    assert len(after) == 3


def test_a_server_that_hangs_is_out_of_service_until_it_answers(servers: AutoScalingGroup) -> None:
    until(lambda: len(in_service()) == 3)
    hanging = servers.pids[0]
    os.kill(hanging, signal.SIGSTOP)
    try:
        until(lambda: len(in_service()) == 2)
    finally:
        os.kill(hanging, signal.SIGCONT)

    until(lambda: len(in_service()) == 3)


def test_adding_the_edge_updates_the_stack_without_replacement_and_closes_direct_access(
    servers: AutoScalingGroup, stack: dict[str, str], emulator: str
) -> None:
    until(lambda: len(in_service()) == 3)
    direct, before = f"{emulator}/_alb/updates-fleet/packages/app.bin", physical_ids()
    assert httpx.get(direct).status_code == 200

    deploy.updates.deploy("after", "fleet", DirectAccess="open")
    assert httpx.get(direct).status_code == 200
    after = deploy.updates.deploy("after", "fleet", DirectAccess="closed")

    assert {name: after[name] for name in stack} == stack
    assert before.items() <= physical_ids().items()
    assert httpx.get(direct).status_code == 403
    assert httpx.get(direct, headers={"X-Edge-Secret": "guessed"}).status_code == 403
    secret = boto3.client("secretsmanager").get_secret_value(SecretId="updates-fleet-edge")["SecretString"]
    assert httpx.get(direct, headers={"X-Edge-Secret": secret}).content == b"a package"
    config = boto3.client("cloudfront").get_distribution_config(Id=after["DistributionId"])["DistributionConfig"]
    (origin,) = config["Origins"]["Items"]
    assert origin["CustomHeaders"]["Items"] == [{"HeaderName": "X-Edge-Secret", "HeaderValue": secret}]


def physical_ids() -> dict[str, str]:
    resources = boto3.client("cloudformation").describe_stack_resources(StackName="updates-fleet")["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def test_the_templates_differ_only_in_the_edge() -> None:
    before, after = (_template(name) for name in deploy.updates.TEMPLATES)
    changed = {name for name, resource in before["Resources"].items() if after["Resources"][name] != resource}
    new = {resource["Type"] for name, resource in after["Resources"].items() if name not in before["Resources"]}

    assert changed == {"LoadBalancerSecurityGroup", "Listener"}
    assert new == {
        "AWS::SecretsManager::Secret",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::CloudFront::CachePolicy",
        "AWS::CloudFront::Distribution",
        "AWS::S3::Bucket",
    }
    ((condition, while_open, closed),) = _property(after, "LoadBalancerSecurityGroup", "SecurityGroupIngress")
    assert condition == "Open"
    assert [while_open] == _property(before, "LoadBalancerSecurityGroup", "SecurityGroupIngress")
    assert "CidrIp" not in closed
    assert closed["SourcePrefixListId"] == "CloudFrontPrefixList"
    ((condition, while_open, closed),) = _property(after, "Listener", "DefaultActions")
    assert condition == "Open"
    assert [while_open] == _property(before, "Listener", "DefaultActions")
    assert closed["FixedResponseConfig"]["StatusCode"] == "403"
    for section in ("Parameters", "Conditions", "Outputs"):
        assert before[section].items() <= after[section].items()


def _property(template: dict[str, Any], resource: str, name: str) -> Any:
    return template["Resources"][resource]["Properties"][name]


def _template(name: str) -> dict[str, Any]:
    class Loader(yaml.SafeLoader):
        """YAML with CloudFormation's short forms as plain values."""

    def short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        return loader.construct_sequence(node, deep=True)  # type: ignore[arg-type]

    Loader.add_multi_constructor("!", short_form)
    template: dict[str, Any] = yaml.load((ROOT / "updates" / f"{name}.yaml").read_text(), Loader)  # noqa: S506
    return template


def test_two_ports_of_one_address_are_two_targets_only_in_localaws(
    emulator: str, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_PORT": str(port),
        "STATE_DIR": str(tmp_path),
        "SFTP_ENABLED": "0",
    }
    environment |= {"BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0", "LOG_LEVEL": "ERROR"}
    stock = subprocess.Popen([sys.executable, "-c", STOCK], env=environment, cwd=tmp_path)
    try:
        until(lambda: _is_up(f"http://127.0.0.1:{port}/_ministack/health"))
        assert _targets(f"http://127.0.0.1:{port}") == {1001}
        assert _targets(emulator) == {1001, 1002}
    finally:
        stock.terminate()
        stock.wait(90)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def _targets(endpoint: str) -> set[int]:
    elb = boto3.client("elbv2", endpoint_url=endpoint)
    group = elb.create_target_group(Name="ports", Protocol="HTTP", Port=80, TargetType="ip", VpcId="vpc-1")
    arn = group["TargetGroups"][0]["TargetGroupArn"]
    for port in (1001, 1002, 1003):
        elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": port}])
    if endpoint != os.environ["AWS_ENDPOINT_URL"]:
        return {d["Target"]["Port"] for d in elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]}
    elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": "127.0.0.1", "Port": 1003}])
    return {d["Target"]["Port"] for d in elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]}
