"""libyaml reads a template as the emulator's own loader does."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ministack.services.cloudformation import engine

from localaws.cloudformation import yaml_parser

TEMPLATE = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Stage: {Type: String, Default: "1"}
Conditions:
  Paid: !And [!Not [!Equals [!Ref Stage, dev]], !Or [!Condition Other, !Equals [a, "b"]]]
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties: &properties
      Name: !Sub "${Stage}-table"
      Arn: !GetAtt Other.Arn
      Nested: !GetAtt [Other, Outputs.Name]
      Names: !Join ["-", [!Select [0, !GetAZs ""], !If [Paid, yes, no], on]]
      Text: !Base64
        Fn::Sub:
          - |
            ${a}
              two lines
          - {a: !ImportValue shared}
      Numbers: [1, 1.5, 0x10, 010, 1_000, .inf, ~, 12:30, 1e3]
      Cidr: !Cidr [!FindInMap [a, b, c], 2, 8]
      Day: 2030-01-01
  Copy:
    Properties:
      <<: *properties
      Name: é "quoted" \\n
"""


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    """The emulator's own loader; the emulator uses that of the gap module."""
    loader: type[Any] = engine.CfnLoader
    monkeypatch.setattr(engine, "CfnLoader", loader)
    yaml_parser.apply()
    return loader


def test_a_template_has_the_same_values(original: type[Any]) -> None:
    assert not issubclass(original, yaml.CSafeLoader), (
        "ministack no longer needs localaws/cloudformation/yaml_parser.py; delete it"
    )
    assert issubclass(engine.CfnLoader, yaml.CSafeLoader)

    expected = yaml.load(TEMPLATE, Loader=original)  # noqa: S506  # a SafeLoader
    assert repr(engine._parse_template(TEMPLATE)) == repr(expected)


@pytest.mark.parametrize("template", ["a: [", "a: b: c", "a:\n\tb: c", "a: !Unknown b", "a: *missing"])
@pytest.mark.usefixtures("original")
def test_text_that_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(yaml.YAMLError):
        engine._parse_template(template)
