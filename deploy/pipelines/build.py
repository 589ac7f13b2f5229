"""`python -m deploy.pipelines.build APP STAGE`: package an app for a stage that has its resources; print the folder.

The build of CodePipeline runs it. Unlike `make package` it deploys nothing: it reads the outputs of the resources.
"""

from __future__ import annotations

import argparse

from deploy import apps, stacks

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m deploy.pipelines.build")
    parser.add_argument("app", choices=apps.names())
    parser.add_argument("stage")
    arguments = parser.parse_args()
    outputs = stacks.outputs(apps.stack(arguments.app, arguments.stage, "resources"))
    apps.write_settings(arguments.app, arguments.stage, outputs)
    print(apps.package(arguments.app, arguments.stage))
