"""`make preflight`: what an account and a Region lack for the release of a stage. It only reads.

Each check yields a line for each thing that is missing, with the command or the page that mends it. What would make the
release fail is *missing*; the rest is a *warning*: the release succeeds, but something will not work yet.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deploy import apps, bootstrap, names, order, planned, quotas, stacks, updates
from deploy.account import client
from deploy.errors import AlreadyDeployed
from deploy.planned import Parameters, Resource

UNRESERVED = 100
"""Concurrent executions that Lambda keeps for functions that reserve none.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""

CONCURRENCY = 1_000
"""Concurrent executions of an account that is not new: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

VCPUS = "L-1216C47A"
"""The quota of running On-Demand Standard instances, in vCPUs.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html
"""

SETTLED = re.compile(
    r"(CREATE|UPDATE|IMPORT|UPDATE_ROLLBACK|IMPORT_ROLLBACK)_COMPLETE|ROLLBACK_COMPLETE|ROLLBACK_FAILED"
)
"""The states from which a release can go on: `deploy.stacks` replaces a stack whose creation failed."""


@dataclass(frozen=True)
class Lack:
    """One thing that is missing, and what mends it: a command or a page."""

    what: str
    remedy: str
    fails: bool = True
    """Whether the release would fail."""

    def __str__(self) -> str:
        return f"{'missing' if self.fails else 'warning'}  {self.what}: {self.remedy}"


@dataclass(frozen=True)
class Release:
    """A release that is about to happen, and where."""

    stage: str
    apps: Sequence[str]
    given: Parameters

    @cached_property
    def region(self) -> str:
        return str(client("cloudformation").meta.region_name)

    @cached_property
    def account(self) -> str:
        return str(client("sts").get_caller_identity()["Account"])

    @cached_property
    def states(self) -> dict[str, str]:
        """By name the state of each stack of the account."""
        listed = quotas.listed("cloudformation", "describe_stacks", "Stacks")
        return {stack["StackName"]: stack["StackStatus"] for stack in listed}

    @cached_property
    def stacks(self) -> list[planned.Stack]:
        given = {"Template": updates.template_of(self.stage) or "after", **self.given}
        pseudo = {"AWS::Region": self.region, "AWS::AccountId": self.account}
        return planned.stacks(self.stage, self.apps, given, self._deployed, pseudo)

    @cached_property
    def resources(self) -> list[Resource]:
        return [resource for stack in self.stacks for resource in stack.resources()]

    @cached_property
    def new(self) -> list[Resource]:
        """The resources that the stage does not have yet."""
        there = {stack.name: stacks.resources(stack.name) for stack in self.stacks if stack.name in self.states}
        return [each for each in self.resources if each.logical_id not in there.get(each.stack, {})]

    def of_type(self, *types: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.type in types]

    def _deployed(self, stack: str) -> Parameters:
        return stacks.parameters_of(stack) if stack in self.states else {}


def preflight(stage: str, released: Sequence[str], given: Parameters) -> list[Lack]:
    """Return what is missing for a release of the apps to the stage with the *given* parameters."""
    release = Release(stage, released, given)
    _ = release.resources, release.new  # once, before the checks share them
    with ThreadPoolExecutor(8) as pool:
        return [lack for lacks in pool.map(lambda check: _checked(check, release), CHECKS) for lack in lacks]


def _checked(check: Check, release: Release) -> list[Lack]:
    """Return what a check finds. A check that AWS refuses is itself a warning."""
    try:
        return list(check(release))
    except (ClientError, BotoCoreError) as error:
        subject = check.__name__.replace("_", " ")
        return [Lack(f"{subject} was not checked", str(error), fails=False)]


def region_services(release: Release) -> Iterator[Lack]:
    """The Region has every service that the templates use, as far as this version of boto3 knows."""
    session = boto3.Session()
    used = {resource.type.split("::")[1] for resource in release.resources}
    for name, service in REGIONAL.items():
        regions = session.get_available_regions(service)
        if name in used and release.region not in regions:
            yield Lack(f"{release.region} has no {name}", f"AWS_DEFAULT_REGION=<one of {', '.join(regions)}>")


def zones(release: Release) -> Iterator[Lack]:
    """The Region has as many Availability Zones as the subnets of the templates name."""
    wanted = {each.properties.get("AvailabilityZone", "") for each in release.of_type("AWS::EC2::Subnet")}
    needed = max((int(zone.removeprefix("zone-")) + 1 for zone in wanted if zone.startswith("zone-")), default=0)
    there = _zones()
    if needed > len(there):
        apps = ", ".join(sorted({subnet.app for subnet in release.of_type("AWS::EC2::Subnet")}))
        have = f"{release.region} has {len(there)} Availability Zones for this account, and {apps} needs {needed}"
        yield Lack(have, "AWS_DEFAULT_REGION=<a Region with more>")


def code_bucket(release: Release) -> Iterator[Lack]:
    """The bucket for code is this account's own."""
    bucket = stacks.artifacts_name()
    try:
        client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=release.account)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            yield Lack(f"the bucket {bucket} belongs to another account", "use another account or Region")
        else:
            yield Lack(f"there is no bucket for code in {release.region}", "make bootstrap")


def logs_role(release: Release) -> Iterator[Lack]:
    """API Gateway has a role, can assume it, and may write logs with it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
    """
    role = bootstrap.logs_role()
    if role is None:
        yield Lack(f"API Gateway has no role for logs in {release.region}", "make bootstrap")
        return
    if reason := _unusable(role):
        clear = "aws apigateway update-account --patch-operations op=replace,path=/cloudwatchRoleArn,value="
        yield Lack(f"API Gateway cannot write logs with {role}, {reason}", f"{clear} && make bootstrap")


def _unusable(role: str) -> str:
    iam, actions = client("iam"), ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    try:
        trust = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return "which does not exist"
    if "apigateway.amazonaws.com" not in json.dumps(trust):
        return "whose trust policy does not name apigateway.amazonaws.com"
    results = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=actions)["EvaluationResults"]
    denied = [result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"]
    return f"which does not allow {', '.join(denied)}" if denied else ""


def parameters(release: Release) -> Iterator[Lack]:
    """Every parameter of a resources stack has a value that its template allows."""
    for stack in release.stacks:
        for name, declared in stack.template.get("Parameters", {}).items():
            value = str(stack.values[name])
            if value == f"${{{name}}}" and stack.name.endswith("-resources"):
                yield Lack(f"{stack.app} needs a value of {name}", f"PARAMETERS={name}=…")
            pattern, values = declared.get("AllowedPattern", ".*"), declared.get("AllowedValues")
            if "${" not in value and (
                not re.fullmatch(pattern, value, re.DOTALL) or (values and value not in map(str, values))
            ):
                yield Lack(f"{name}={value} is not allowed for {stack.name}", f"{name} is one of {values or pattern}")


def mail(release: Release) -> Iterator[Lack]:
    """SES sends to everybody, and every sender is verified."""
    senders = [
        (stack.app, name, str(value))
        for stack in release.stacks
        for name, value in sorted(stack.values.items())
        if name.endswith("Sender")
    ]
    for app, name, _ in (sender for sender in senders if not sender[2]):
        yield Lack(f"{app} sends no mails without a sender", f"PARAMETERS={name}=…", fails=False)
    senders = [sender for sender in senders if sender[2]]
    if not senders:
        return
    account = client("sesv2").get_account()
    if not account["ProductionAccessEnabled"]:
        ask = "ask for production access at https://console.aws.amazon.com/ses/home#/account"
        yield Lack("SES is in its sandbox and sends to verified addresses only", ask, fails=False)
    if not account["SendingEnabled"]:
        page = "see https://console.aws.amazon.com/ses/home#/reputation"
        yield Lack(f"SES does not send for this account ({account['EnforcementStatus']})", page, fails=False)
    verified = {
        identity["IdentityName"]
        for identity in quotas.listed("sesv2", "list_email_identities", "EmailIdentities")
        if identity["SendingEnabled"]
    }
    for app, name, sender in senders:
        domain = sender.rpartition("@")[2]
        if not {sender, domain} & verified:
            after = f"open the link that SES mails to {sender}, or verify {domain} before the release"
            yield Lack(f"SES has not verified {sender}, the {name} of {app}", after, fails=False)


def distributions(release: Release) -> Iterator[Lack]:
    """CloudFront accepts the account. It tells only when a distribution is created, so the first one is a warning.

    https://repost.aws/knowledge-center/create-and-activate-aws-account
    """
    if not release.of_type("AWS::CloudFront::Distribution"):
        return
    if not any(True for _ in quotas.listed("cloudfront", "list_distributions", "DistributionList", "Items")):
        case = "if AWS answers that the account must be verified, open a case at https://console.aws.amazon.com/support"
        yield Lack("this account has never had a CloudFront distribution", case, fails=False)


def concurrency(release: Release) -> Iterator[Lack]:
    """Lambda has the concurrency that the functions reserve, and enough for the others."""
    limits = client("lambda").get_account_settings()["AccountLimit"]
    total, unreserved = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    reserved = sum(_reserved(function) for function in release.new)
    if reserved and unreserved - reserved < min(UNRESERVED, total):
        wanted = max(CONCURRENCY, total + reserved)
        what = (
            f"Lambda has {unreserved} executions at once that are not reserved; the stage reserves {reserved} and "
            f"{min(UNRESERVED, total)} must stay"
        )
        yield Lack(what, quotas.request("lambda", "L-B99A9384", wanted))
    elif total < UNRESERVED and release.of_type("AWS::Serverless::Function"):
        what = f"Lambda runs {total} executions at once for this account, and refuses more"
        yield Lack(what, quotas.request("lambda", "L-B99A9384", CONCURRENCY), fails=False)


def _reserved(resource: Resource) -> int:
    value = resource.properties.get("ReservedConcurrentExecutions", 0)
    return int(value) if resource.type == "AWS::Serverless::Function" and str(value).isdigit() else 0


def servers(release: Release) -> Iterator[Lack]:
    """EC2 has the instance type in every zone, and the vCPUs for the smallest and the largest fleet."""
    groups = [each for each in release.new if each.type == "AWS::AutoScaling::AutoScalingGroup"]
    templates = release.of_type("AWS::EC2::LaunchTemplate")
    if not groups or not templates:
        return
    ec2, kind = client("ec2"), templates[0].properties["LaunchTemplateData"]["InstanceType"]
    if absent := sorted(set(_zones()) - _zones_with(kind)):
        yield Lack(f"EC2 has no {kind} in {', '.join(absent)}", "PARAMETERS=InstanceType=<another type for arm64>")
        return
    each = int(ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"][0]["VCpuInfo"]["DefaultVCpus"])
    allowed = quotas.applied("ec2", VCPUS, 5) - _vcpus_in_use()
    least, most = (int(groups[0].properties[name]) * each for name in ("MinSize", "MaxSize"))
    if allowed < least + each:  # an update starts one instance more
        yield Lack(
            f"EC2 may start {allowed} vCPUs, and the update servers need {least + each}",
            quotas.request("ec2", VCPUS, most),
        )
    elif allowed < most:
        what = f"EC2 may start {allowed} vCPUs, and the update servers may grow to {most}"
        yield Lack(what, quotas.request("ec2", VCPUS, most), fails=False)


def _zones_with(instance_type: str) -> set[str]:
    request = {
        "LocationType": "availability-zone",
        "Filters": [{"Name": "instance-type", "Values": [instance_type]}],
    }
    offered = quotas.listed("ec2", "describe_instance_type_offerings", "InstanceTypeOfferings", **request)
    return {each["Location"] for each in offered}


def _vcpus_in_use() -> int:
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    reservations = quotas.listed("ec2", "describe_instances", "Reservations", Filters=running)
    options = [i.get("CpuOptions", {}) for each in reservations for i in each["Instances"]]
    return sum(each.get("CoreCount", 1) * each.get("ThreadsPerCore", 1) for each in options)


def edge_addresses(release: Release) -> Iterator[Lack]:
    """The Region has the prefix list with CloudFront's addresses, to which the update servers are open."""
    if order.UPDATES in release.apps and not updates.prefix_lists():
        yield Lack(f"{release.region} has no prefix list {updates.CLOUDFRONT}", "AWS_DEFAULT_REGION=<another Region>")


def counted_quotas(release: Release) -> Iterator[Lack]:
    """The account has room for what the stage adds."""
    added = Counter(resource.type for resource in release.new)
    added["AWS::CloudFormation::Stack"] = sum(stack.name not in release.states for stack in release.stacks)
    keys = sum(apps.has_signing_key(app) and app in release.apps for app in apps.names())
    new_edges = sum(each.type == "AWS::CloudFront::Distribution" and each.app in apps.names() for each in release.new)
    for kind in ("AWS::CloudFront::PublicKey", "AWS::CloudFront::KeyGroup"):
        added[kind] += min(keys, new_edges)
    for quota in quotas.QUOTAS:
        if not added[quota.type]:
            continue
        used, value = quota.used(), quota.value()
        if used + added[quota.type] > value:
            what = f"the stage adds {added[quota.type]} {quota.name}; the account has {used} of {value}"
            yield Lack(what, quota.remedy(used + added[quota.type]))


def existing_names(release: Release) -> Iterator[Lack]:
    """No resource outside of the stage's stacks has a name that the stage needs."""
    for resource, name, delete in names.taken(release.new):
        kind = resource.type.removeprefix("AWS::")
        yield Lack(f"{kind} {name} exists and is of no stack of {release.stage}", f"if nothing needs it, {delete}")


def stack_states(release: Release) -> Iterator[Lack]:
    """No stack of the stage is in a state from which no release can go on."""
    for stack in release.stacks:
        state = release.states.get(stack.name, "CREATE_COMPLETE")
        if state.endswith("_IN_PROGRESS"):
            yield Lack(f"the stack {stack.name} is {state}", "wait until it has ended")
        elif state == "UPDATE_ROLLBACK_FAILED":
            command = f"aws cloudformation continue-update-rollback --stack-name {stack.name}"
            yield Lack(f"the stack {stack.name} is {state}", command)
        elif not SETTLED.fullmatch(state):
            yield Lack(f"the stack {stack.name} is {state}", f"make delete STAGE={release.stage}")


def replicas(release: Release) -> Iterator[Lack]:
    """Each global table has a replica in another Region, and the account may use the Region of each."""
    enabled = {each["RegionName"] for each in quotas.listed("ec2", "describe_regions", "Regions")}
    remedy = "PARAMETERS=ReplicaRegion=<another Region>"
    tables = release.of_type("AWS::DynamoDB::GlobalTable")
    placed = {table.app: {str(replica["Region"]) for replica in table.properties["Replicas"]} for table in tables}
    for app, regions in placed.items():
        for absent in regions - enabled:
            yield Lack(f"the account may not use {absent}, the Region of a replica", remedy)
        if regions == {release.region}:
            yield Lack(f"{app}'s tables have no replica outside {release.region}", remedy, fails=False)


def quick_deployments(release: Release) -> Iterator[Lack]:
    """`chalice deploy` has not deployed the stage: its consumers would run beside those of the release."""
    for app in apps.names():
        try:
            if app in release.apps:
                apps.refuse_chalice(app, release.stage)
        except AlreadyDeployed as error:
            what, _, remedy = str(error).partition(": ")
            yield Lack(what, remedy)


type Check = Callable[[Release], Iterator[Lack]]

CHECKS: tuple[Any, ...] = (
    region_services,
    zones,
    code_bucket,
    logs_role,
    parameters,
    replicas,
    stack_states,
    quick_deployments,
    existing_names,
    counted_quotas,
    concurrency,
    servers,
    edge_addresses,
    distributions,
    mail,
)
"""The checks in the order in which their lines are printed."""

REGIONAL = {
    "Athena": "athena",
    "Cognito": "cognito-idp",
    "DAX": "dax",
    "EFS": "efs",
    "Glue": "glue",
    "IoT": "iot",
    "Kinesis": "kinesis",
    "KinesisFirehose": "firehose",
    "SES": "sesv2",
}
"""By the second part of CloudFormation's types, the services of boto3 that some Regions do not have."""


def _zones() -> list[str]:
    """Return the Region's Availability Zones that the account may use."""
    named = [{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    answer = client("ec2").describe_availability_zones(Filters=named)
    return [zone["ZoneName"] for zone in answer["AvailabilityZones"]]
