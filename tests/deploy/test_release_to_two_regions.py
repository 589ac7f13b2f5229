"""`make release REGIONS=…` as a whole, on an account in memory: a step in the wrong order misses what it needs."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from deploy import __main__ as command
from deploy import apps, order, regions, stacks

APP, HOME, STANDBY = "blog-app", "us-east-1", "eu-west-1"
TABLES = "PostsStreamArn", "SubscribersStreamArn"

OUTPUTS = {
    "resources": ("SiteBucket", "PhotosBucket", "Sender", *TABLES),
    "app": ("RestAPIId",),
    "edge": ("DistributionId", "DistributionDomain"),
}
"""Some of the outputs of each stack."""


class Account:
    """The stacks of two Regions, without resources. An output is known only after its stack is deployed."""

    def __init__(self) -> None:
        self.region = HOME
        self.steps: list[tuple[str, str]] = []
        self.settings = ""
        """The Region whose outputs the settings of the stage have."""
        self._given: dict[tuple[str, str], dict[str, str]] = {}

    def step(self, name: str) -> Any:
        """Return what runs a step of the app."""

        def run(app: str, stage: str, **parameters: str) -> dict[str, str]:
            self.steps.append((self.region, name))
            if name not in apps.KINDS:
                return {}
            if name == "app":
                assert self.settings == self.region, "the zip would have the settings of the other Region"
            self._given.setdefault((self.region, apps.stack(app, stage, name)), {}).update(parameters)
            if name == "resources":
                self.settings = self.region
            return self.outputs(apps.stack(app, stage, name))

        return run

    def given(self, name: str, missing_ok: bool = False, region: str = "") -> dict[str, str]:
        """Return the parameters of a stack, with the defaults of its template."""
        given = self._given.get((region or self.region, name))
        if given is None:
            assert missing_ok, f"there is no stack {name} in {region or self.region}"
            return {}
        return {
            key: value["Default"] for key, value in apps.declared(APP, _kind(name)).items() if "Default" in value
        } | given

    def outputs(self, name: str, missing_ok: bool = False, region: str | None = None) -> dict[str, str]:
        given, here = self.given(name, missing_ok, region or ""), region or self.region
        outputs = {key: f"{here}/{key}" for key in OUTPUTS[_kind(name)]}
        return outputs | {key: given[key] for key in ("SiteUrl",) if key in given}

    def client(self, service: str, region: str | None = None) -> Any:
        stream = {"Table": {"LatestStreamArn": f"the stream in {region}"}}
        return SimpleNamespace(meta=SimpleNamespace(region_name=self.region), describe_table=lambda TableName: stream)


def _kind(stack: str) -> str:
    return next(kind for kind in apps.KINDS if apps.stack(APP, "unit", kind) == stack)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account()
    monkeypatch.setattr(command, "target", lambda: account.region)
    for step in order.STEPS:
        monkeypatch.setitem(order.STEPS, step, account.step(step))
    monkeypatch.setattr(apps, "deploy_resources", order.STEPS["resources"])
    monkeypatch.setattr(apps, "deploy_edge", order.STEPS["edge"])
    monkeypatch.setattr(apps, "write_settings", lambda *_: setattr(account, "settings", account.region))
    monkeypatch.setattr(apps, "refuse_chalice", lambda *_: None)
    monkeypatch.setattr(stacks, "parameters_of", account.given)
    monkeypatch.setattr(stacks, "outputs", account.outputs)
    monkeypatch.setattr(stacks, "existing", set[str])
    monkeypatch.setattr(stacks, "exports", set[str])
    monkeypatch.setattr(regions, "client", account.client)
    monkeypatch.setattr(regions.bootstrap, "bootstrap", lambda: account.steps.append((account.region, "bootstrap")))

    def run_in(region: str, *arguments: str) -> None:
        before, account.region = account.region, region
        deploy(*arguments)
        account.region = before

    monkeypatch.setattr(regions, "_run", run_in)
    return account


def deploy(*arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["deploy", *arguments])
        assert command.main() is None


def test_each_step_of_a_release_to_two_regions_follows_what_it_needs(account: Account) -> None:
    deploy("release", APP, "unit", "--regions", f"{HOME},{STANDBY}")

    begin = [(HOME, step) for step in ("resources", "app", "register", "edge", "resources", "app", "site")]
    there = [(STANDBY, step) for step in ("bootstrap", "resources", "app", "register", "site")]
    assert account.steps == [*begin, *there, (HOME, "resources"), (HOME, "edge")]
    assert account.settings == HOME
    home = account.given(apps.stack(APP, "unit", "resources"))
    away = account.given(apps.stack(APP, "unit", "resources"), region=STANDBY)
    edge = account.given(apps.stack(APP, "unit", "edge"))
    assert (home["StandbyRegion"], home["PhotosReplica"]) == (STANDBY, f"{STANDBY}/PhotosBucket")
    assert (away["HomeRegion"], away["PhotosReplica"]) == (HOME, f"{HOME}/PhotosBucket")
    assert away["SiteUrl"] == home["SiteUrl"] == f"https://{HOME}/DistributionDomain"
    assert {away[name] for name in TABLES} == {f"the stream in {STANDBY}"}
    assert away["DistributionId"] == f"{HOME}/DistributionId"
    assert edge["StandbyRestAPIId"] == f"{STANDBY}/RestAPIId"


def test_a_later_release_goes_to_both_regions_without_naming_them(account: Account) -> None:
    deploy("release", APP, "unit", "--regions", f"{HOME},{STANDBY}")
    account.steps.clear()

    deploy("release", APP, "unit")

    begin = [(HOME, step) for step in ("resources", "app", "register", "edge", "site")]
    there = [(STANDBY, step) for step in ("bootstrap", "resources", "app", "register", "site")]
    assert account.steps == [*begin, *there, (HOME, "resources"), (HOME, "edge")]
