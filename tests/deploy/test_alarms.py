"""Each alarm names its runbook, each runbook has an alarm, and each queue of failures raises one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import suite

from deploy import stacks

pytestmark = suite.of_all_apps

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = sorted(ROOT.glob("*/*.yaml"))
RUNBOOKS = ROOT / "docs" / "runbooks.md"
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n\n(.+?)(?=^## |\Z)", RUNBOOKS.read_text(), re.MULTILINE | re.DOTALL))


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by file and logical id."""
    return {
        f"{file.relative_to(ROOT)} {name}": resource.get("Properties", {})
        for file in TEMPLATES
        for name, resource in (stacks.read(file.read_text()).get("Resources") or {}).items()
        if resource.get("Type") == kind
    }


ALARMS = resources("AWS::CloudWatch::Alarm")


def runbook(alarm: dict[str, Any]) -> str:
    """Return the anchor of the section that the alarm's description names, or an empty text."""
    named = re.search(r"\. Runbook: docs/runbooks\.md#([a-z-]+)$", alarm["AlarmDescription"])
    return named[1] if named else ""


def anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_notifies_a_topic_and_names_its_runbook(alarm: str) -> None:
    assert ALARMS[alarm]["AlarmActions"] == [{"Ref": "Alarms"}]
    assert runbook(ALARMS[alarm]) in map(anchor, SECTIONS)


def test_a_runbook_is_of_an_alarm_and_says_what_to_do() -> None:
    assert {anchor(title) for title in SECTIONS} == set(map(runbook, ALARMS.values()))
    for title, text in SECTIONS.items():
        assert re.findall(r"^\* \*\*(\w+)\*\*: ", text, re.MULTILINE) == ["Meaning", "Look", "Act", "Over"], title


def test_each_queue_of_failures_has_an_alarm() -> None:
    failures = {
        resource: queue["QueueName"]
        for resource, queue in resources("AWS::SQS::Queue").items()
        if re.search("(failed|undelivered)'", str(queue["QueueName"]))
    }
    watched = [
        (alarm.partition(" ")[0], dimension["Value"])
        for alarm, properties in ALARMS.items()
        for dimension in properties["Dimensions"]
    ]

    assert len(failures) > 5
    for resource, name in failures.items():
        file, _, logical_id = resource.partition(" ")
        by_reference = (file, {"Fn::GetAtt": [logical_id, "QueueName"]})
        assert by_reference in watched or name in [value for _, value in watched], resource
