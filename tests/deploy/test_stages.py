"""The parameters of a cloned stage. tests/e2e/test_clone.py makes one in the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import clone, order, stacks, updates

DOMAIN = "d1.cloudfront.net"
PARAMETERS = {
    "SiteUrl": "https://videos.example",
    "Domain": "videos.example",
    "Sender": "hello@videos.example",
    "PaymentsApi": "https://payments.example",
}


class Account:
    """An account that records deployments. Its stage *prod* has a shop and update servers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deployed: list[tuple[str, dict[str, str]]] = []
        existing_stacks = {"video-app-prod-resources", "video-app-prod", "video-app-prod-edge", "updates-prod"}
        self.lists = 0

        def existing() -> set[str]:
            self.lists += 1
            return existing_stacks

        monkeypatch.setattr(stacks, "existing", existing)
        monkeypatch.setattr(stacks, "parameters_of", self.parameters_of)
        monkeypatch.setattr(stacks, "template_of", lambda name: {"Resources": {"Distribution": {}}})
        monkeypatch.setattr(clone, "begin", lambda source, target: None)
        monkeypatch.setattr(order, "check", lambda *arguments: None)
        monkeypatch.setattr(stacks, "exports", set)
        steps = {
            "resources": self.note("resources", {"site_url": "x"}),
            "app": self.note("release", {"EndpointURL": "https://api.example"}),
            "register": lambda app, stage: {app: "https://api.example"},
            "edge": self.note("edge", {"DistributionDomain": DOMAIN}),
            "site": self.note("site", {}),
        }
        monkeypatch.setattr(order, "STEPS", order.STEPS | steps)
        monkeypatch.setattr(updates, "deploy", self.note("updates", {}))

    def parameters_of(self, name: str, missing_ok: bool = False) -> dict[str, str]:
        return dict(PARAMETERS) if "prod" in name else {"SiteUrl": PARAMETERS["SiteUrl"]}

    def note(self, step: str, answer: dict[str, str]) -> Any:
        def deploy(app: str, stage: str, **parameters: str) -> dict[str, str]:
            self.deployed.append((f"{step} {app} {stage}", parameters))
            return answer | parameters

        return deploy

    def given(self, step: str) -> list[dict[str, str]]:
        return [parameters for name, parameters in self.deployed if name == step]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


def test_a_clone_has_its_own_addresses_and_the_settings_of_its_source(account: Account) -> None:
    clone.clone("prod", "twin", Template="after")

    first, last = account.given("resources video-app twin")
    assert (first["PaymentsApi"], "SiteUrl" in first, "Domain" in first) == ("https://payments.example", False, False)
    assert last == {"SiteUrl": f"https://{DOMAIN}"}
    steps = [step for step, _ in account.deployed if "video-app" in step]
    assert steps == [
        f"{step} video-app twin" for step in ("resources", "release", "edge", "resources", "release", "site")
    ]
    assert len(account.given("updates after twin")) == 1


def test_a_clone_lists_the_stacks_of_the_account_a_few_times(account: Account) -> None:
    clone.clone("prod", "copy", Template="after")

    assert account.lists <= 4


def test_a_clone_uses_a_given_address(account: Account) -> None:
    clone.clone("prod", "twin", SiteUrl="https://twin.example")

    assert [given["SiteUrl"] for given in account.given("resources video-app twin")] == ["https://twin.example"]
    assert len(account.given("release video-app twin")) == 1
