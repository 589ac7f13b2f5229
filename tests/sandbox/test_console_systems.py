"""The cards of the systems: what each app says of itself, and how it does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import deploy.order
from sandbox import apps
from sandbox.console import metrics, pages, systems
from sandbox.errors import InvalidFile
from sandbox.settings import ROOT


@pytest.mark.parametrize("app", deploy.order.names())
def test_each_app_says_what_it_is_and_what_to_try(app: str) -> None:
    card = apps.card(ROOT / app)

    assert card.title
    assert card.about.endswith(".")
    assert card.try_now.endswith(".")
    assert not card.page or (pages.WEB / card.page).exists()
    if card.command:
        target = re.fullmatch(r"make ([a-z-]+)( [A-Z]+=\S+)*", card.command)
        assert target
        assert re.search(rf"^{target[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_a_card_has_what_the_folder_of_its_app_says(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "sandbox.toml").write_text('[card]\ntitle = "The shop"\ntry_now = "Buy."\n')
    deployed: dict[str, Any] = {
        "shop": {"api": "http://a", "table": "t", "user_pool_id": "u"},
        "new": {"web": "http://b"},
    }

    shop, new = systems.cards(deployed, {"shop": "app.py, line 3: SyntaxError"}, tmp_path)

    assert (shop["title"], shop["try_now"], shop["addresses"]) == ("The shop", "Buy.", {"api": "http://a"})
    assert shop["sign_ins"]
    assert (shop["problem"], new["problem"]) == ("app.py, line 3: SyntaxError", "")
    assert (new["title"], new["try_now"], new["addresses"], new["sign_ins"]) == ("new", "", {"web": "http://b"}, [])


def test_a_card_changes_with_its_file_and_stays_while_that_has_an_error(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    titles = []
    for text in ('[card]\ntitle = "Old"\n', "[card\n", '[card]\ntitle = "New"\n'):
        (tmp_path / "shop" / "sandbox.toml").write_text(text)
        titles += [card["title"] for card in systems.cards({"shop": {}}, {}, tmp_path)]

    assert titles == ["Old", "shop", "New"]


def test_an_unknown_field_of_a_card_is_named(tmp_path: Path) -> None:
    (tmp_path / "sandbox.toml").write_text('[card]\nnam = "x"\n')

    with pytest.raises(InvalidFile, match="nam"):
        apps.card(tmp_path)


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ([], "Not deployed"),
        (["CREATE_COMPLETE", "UPDATE_COMPLETE"], "Ready"),
        (["CREATE_COMPLETE", "UPDATE_IN_PROGRESS"], "Being deployed"),
        (["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"], "Last deployment failed"),
        (["CREATE_FAILED"], "Last deployment failed"),
    ],
)
def test_the_state_of_an_app_is_that_of_its_stacks(statuses: list[str], state: str) -> None:
    assert systems.state(statuses) == state


def test_calls_are_those_of_the_functions_of_the_app_and_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    def metric(name: str, function: str) -> metrics.Metric:
        return metrics.Metric("AWS/Lambda", name, (("FunctionName", function),))

    counts = {
        metric("Invocations", "shop-local-buy"): 5,
        metric("Invocations", "shop-local-sell"): 2,
        metric("Errors", "shop-local-buy"): 1,
        metric("Duration", "shop-local-buy"): 100,
        metric("Invocations", "shop-dev-buy"): 10,
    }
    monkeypatch.setattr(metrics, "listed", lambda space: list(counts))
    monkeypatch.setattr(metrics, "sums", lambda wanted, past: {each: counts[each] for each in wanted})
    monkeypatch.setattr(systems, "_statuses", lambda stage: {"shop": ["CREATE_COMPLETE"]})

    assert systems.states("local", ["shop", "other"]) == {
        "shop": {"state": "Ready", "calls": 7, "failed": 1},
        "other": {"state": "Not deployed", "calls": 0, "failed": 0},
    }
