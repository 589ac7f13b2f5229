"""`make cost`: amounts of known small templates, that all grow in proportion, and that every resource has a price."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import suite
from botocore.exceptions import NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from deploy import __main__ as command
from deploy import apps, order, planned, stacks
from deploy.cost import prices
from deploy.cost import report as reports
from deploy.cost.idle import UnknownType, detailed_metrics, idle
from deploy.cost.units import UNITS, Unit, functions, of_unit

pytestmark = suite.of_all_apps

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: f"{unit.name}, {unit.cache}")


def stack(resources: dict[str, Any], app: str = "an-app") -> planned.Stack:
    return planned.Stack(app, f"{app}-dev", {"Resources": resources}, {})


def fleet(size: int) -> dict[str, Any]:
    launch = {"InstanceType": "c7g.medium", "Monitoring": {"Enabled": True}, "BlockDeviceMappings": [{"Ebs": {}}]}
    group = {"LaunchTemplate": {"LaunchTemplateId": {"Ref": "Launch"}}, "MinSize": str(size)}
    return {
        "Launch": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": launch}},
        "Group": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": group},
    }


def one(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Only": {"Type": kind, "Properties": properties}}


@pytest.mark.parametrize(
    ("resources", "usd"),
    [
        (one("AWS::S3::Bucket"), 0),
        (one("AWS::CloudFront::Distribution"), 0),
        (one("AWS::CloudWatch::Alarm"), 0.10),
        (one("AWS::CloudWatch::CompositeAlarm"), 0.50),
        (one("AWS::CloudWatch::Dashboard"), 3.00),
        (one("AWS::SecretsManager::Secret"), 0.40),
        (one("AWS::Serverless::Api", CacheClusterEnabled=True, CacheClusterSize="0.5"), 14.60),
        (one("AWS::Serverless::Api", CacheClusterEnabled=False, CacheClusterSize="0.5"), 0),
        (one("AWS::DAX::Cluster", NodeType="dax.t3.small", ReplicationFactor=3), 87.60),
        (one("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b", "c"]), 21.90),
        (one("AWS::EC2::VPCEndpoint", VpcEndpointType="Gateway"), 0),
        (one("AWS::EC2::NatGateway"), 32.85),
        (one("AWS::Kinesis::Stream", StreamModeDetails={"StreamMode": "ON_DEMAND"}), 29.20),
        (one("AWS::Kinesis::Stream", ShardCount=2), 21.90),
        (one("AWS::ElasticLoadBalancingV2::LoadBalancer", Subnets=["a", "b", "c"]), 16.425 + 10.95),
        (one("AWS::WAFv2::WebACL", Rules=[{}, {}]), 7.00),
        (fleet(3), 3 * (0.0363 * 730 + 8 * 0.08 + 7 * 0.30)),
    ],
)
def test_a_resource_costs_what_aws_says(resources: dict[str, Any], usd: float) -> None:
    assert prices.total(idle([stack(resources)])) == pytest.approx(usd)


@given(size=st.integers(1, 50), subnets=st.integers(1, 6), nodes=st.integers(1, 11))
def test_idle_costs_grow_in_proportion(size: int, subnets: int, nodes: int) -> None:
    def usd(resources: dict[str, Any]) -> float:
        return prices.total(idle([stack(resources)]))

    def endpoint(count: int) -> dict[str, Any]:
        return one("AWS::EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a"] * count)

    def cluster(count: int) -> dict[str, Any]:
        return one("AWS::DAX::Cluster", NodeType="dax.t3.small", ReplicationFactor=count)

    assert usd(fleet(size)) == pytest.approx(size * usd(fleet(1)))
    assert usd(endpoint(subnets)) == pytest.approx(subnets * usd(endpoint(1)))
    assert usd(cluster(nodes)) == pytest.approx(nodes * usd(cluster(1)))


SUITE = planned.stacks("prod", order.names())


@each_unit
@given(count=st.integers(0, 10**9), hits=st.floats(0, 1), factor=st.integers(1, 1000))
def test_work_costs_in_proportion_and_a_hit_never_more(unit: Unit, count: int, hits: float, factor: int) -> None:
    found = functions(SUITE)

    usd = of_unit(unit, count, found, hits)
    assert usd >= 0
    assert of_unit(unit, factor * count, found, hits) == pytest.approx(factor * usd)
    if hits and unit.cache:
        assert of_unit(unit, count, found, 1) <= usd * (1 + 1e-9)


def test_a_request_costs_what_its_parts_cost() -> None:
    unit = next(unit for unit in UNITS if unit.name == "requests to todo-app")
    memory = functions(SUITE)["todo-app", "APIHandler"].properties["MemorySize"] / 1024

    expected = 3.50 + 0.20 + 0.125 + 0.5 * 1.0 + 5.0 * 0.05 + 1e6 * memory * 0.030 * 1.66667e-5
    assert of_unit(unit, 1_000_000, functions(SUITE)) == pytest.approx(expected)


@pytest.mark.parametrize("given", [{}, {"Dax": "true"}])
@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_resource_of_the_suite_has_a_price(stage: str, given: dict[str, str]) -> None:
    assert prices.total(idle(planned.stacks(stage, order.names(), given))) > 0
    assert prices.total(detailed_metrics(planned.stacks(stage, order.names(), given))) >= 0


def test_a_resource_without_a_price_is_named() -> None:
    with pytest.raises(UnknownType, match="AWS::MSK::Cluster"):
        idle([stack(one("AWS::MSK::Cluster"))])


def test_each_price_has_its_unit_its_page_and_where_it_was_found() -> None:
    for name, price in prices.file()["prices"].items():
        assert price["page"].startswith("https://aws.amazon.com/"), name
        assert price["unit"], name
        assert price["found"], name
        assert price.get("usd", 1) > 0, name


def test_the_report_has_each_app_each_cache_and_what_it_leaves_out() -> None:
    lines = list(reports.report("prod", SUITE, planned.stacks("prod", order.names(), {"Dax": "true"}), "defaults"))

    text = "\n".join(lines)
    for app in order.names():
        assert f"  {app} " in text
    for cache in ("the stage cache", "DAX", "CloudFront"):
        assert f"{cache} " in text


def usd_of_parts(stage: str) -> dict[str, float]:
    """Return what the parts of a stage cost while nobody uses it, by the words that begin their row in the page."""
    parts: dict[str, float] = dict.fromkeys(
        ("update servers", "data stream", "stage cache", "web ACL", "everything else"), 0
    )
    for item in idle(planned.stacks(stage, order.names())):
        part = next((part for part in parts if item.what.startswith(part)), "everything else")
        parts["update servers" if item.app == order.UPDATES else part] += item.usd
    return parts


def test_the_pages_have_the_amounts_that_the_command_computes() -> None:
    page = (apps.ROOT / "docs" / "deploying.md").read_text()
    _, _, table = page.partition("What a stage costs per month while nobody uses it")
    columns = {stage: usd_of_parts(stage) for stage in ("dev", "prod")}
    dev, prod = (sum(parts.values()) for parts in columns.values())
    clone = dev - columns["dev"]["update servers"]
    metrics = prices.total(detailed_metrics(planned.stacks("prod", order.names())))

    for part in columns["dev"]:
        row = next(line for line in table.splitlines() if line.startswith("| ") and part in line)
        shown = [int(amount) for amount in re.findall(r"\| (\d+)\b", row)[:2]]
        assert shown == [round(columns[stage][part]) for stage in ("dev", "prod")], row
    for text in (
        f"| **together** | {dev:.0f} | {prod:.0f} | |",
        f"every method is called every hour | 0 | {metrics:.0f} |",
        f"`APP=all`: {prod:.0f} a month in `prod`, {dev:.0f} in another stage",
        f"a clone {clone:.0f} a month; with the update servers {dev:.0f} |",
        f"a clone costs {clone:.0f} USD a month",
        f"together {round(dev + prod, -1):.0f} USD a month",
    ):
        assert text in page
    assert f"in `prod` {prod:.0f} USD a month, in another stage {dev:.0f}.**" in (apps.ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("requests to todo-app", "requests to todo-app cost {whole}, "),
        ("readings", "readings {whole}, "),
        ("welcome mails", "mails {whole}, "),
        ("views of blog posts", "views of blog posts {cached} ({whole} without the edge)"),
        ("views of videos", "views of videos of 50 MB {whole},"),
        ("downloads of updates", "downloads of updates of 20 MB {cached} ({whole} without the edge)"),
    ],
)
def test_the_page_has_the_amounts_of_a_million(unit: str, words: str) -> None:
    found = functions(SUITE)
    of = next(each for each in UNITS if each.name == unit)
    whole, cached = (of_unit(of, 1_000_000, found, hits) for hits in (0, prices.usage("hits")))

    assert (
        words.format(whole=f"{whole:,.0f}", cached=f"{cached:,.0f}")
        in (apps.ROOT / "docs" / "deploying.md").read_text()
    )


def test_a_price_that_was_not_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    known = prices.file()
    without = {name: value for name, value in known["prices"]["mail"].items() if name != "usd"}
    monkeypatch.setattr(reports, "file", lambda: known | {"prices": known["prices"] | {"mail": without}})

    assert list(reports.report("dev", [], [], "defaults"))[-1] == "Not counted, because the price was not found: mail."


def test_a_pipe_may_end_before_the_report() -> None:
    command = f"{sys.executable} -m deploy cost all prod | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=apps.ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_the_command_needs_no_account(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def existing() -> set[str]:
        raise NoCredentialsError

    monkeypatch.setattr(stacks, "existing", existing)
    monkeypatch.setattr(sys, "argv", ["deploy", "cost", "todo-app", "prod"])

    assert command.main() is None
    assert "the account did not answer" in capsys.readouterr().out
