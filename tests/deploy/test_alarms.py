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


METRIC_ALARMS = resources("AWS::CloudWatch::Alarm")
COMPOSITE_ALARMS = resources("AWS::CloudWatch::CompositeAlarm")
ALARMS = METRIC_ALARMS | COMPOSITE_ALARMS


def children(alarm: str) -> list[str]:
    """Return the alarms that the rule of a composite alarm names, which are of its file."""
    file = alarm.partition(" ")[0]
    rule = COMPOSITE_ALARMS[alarm]["AlarmRule"]["Fn::Sub"]
    return [f"{file} {child}" for child in re.findall(r'ALARM\("\$\{(\w+)\}"\)', rule)]


CHILDREN = [child for alarm in COMPOSITE_ALARMS for child in children(alarm)]
"""The alarms of which one fault raises several, so that the alarm above them notifies once."""


def runbook(alarm: dict[str, Any]) -> str:
    """Return the anchor of the section that the alarm's description names, or an empty text."""
    named = re.search(r"\. Runbook: docs/runbooks\.md#([a-z-]+)$", alarm["AlarmDescription"])
    return named[1] if named else ""


def anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_notifies_a_topic_and_names_its_runbook(alarm: str) -> None:
    assert ALARMS[alarm].get("AlarmActions") == (None if alarm in CHILDREN else [{"Ref": "Alarms"}])
    assert runbook(ALARMS[alarm]) in map(anchor, SECTIONS)


@pytest.mark.parametrize("alarm", COMPOSITE_ALARMS)
def test_a_composite_alarm_is_raised_by_each_of_its_alarms(alarm: str) -> None:
    terms = COMPOSITE_ALARMS[alarm]["AlarmRule"]["Fn::Sub"].split(" OR ")

    assert len(terms) == len(children(alarm)) > 1
    assert set(children(alarm)) <= METRIC_ALARMS.keys()


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
        for alarm, properties in METRIC_ALARMS.items()
        for dimension in properties["Dimensions"]
    ]

    assert len(failures) > 5
    for resource, name in failures.items():
        file, _, logical_id = resource.partition(" ")
        by_reference = (file, {"Fn::GetAtt": [logical_id, "QueueName"]})
        assert by_reference in watched or name in [value for _, value in watched], resource
