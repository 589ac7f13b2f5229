"""Gap: a template of YAML is parsed by PyYAML's parser in Python, which takes several times as long as libyaml.

AWS: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html
No longer needed when the emulator's loader of templates is a subclass of `yaml.CSafeLoader`.
"""

import yaml
from ministack.services.cloudformation import engine


def apply() -> None:
    if not yaml.__with_libyaml__:
        return

    class Loader(yaml.CSafeLoader):
        """Constructs the same values from libyaml's nodes."""

        yaml_constructors = engine.CfnLoader.yaml_constructors

    engine.CfnLoader = Loader
