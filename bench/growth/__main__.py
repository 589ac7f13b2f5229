"""Measures the operations of one part: `python -m bench.growth todo-app` prints a line of JSON for each, its costs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib import import_module

from bench.growth.subject import Aws, measured
from sandbox.settings import ROOT

part = sys.argv[1]
sys.path.insert(0, str(ROOT / part))
aws = Aws()
for subject in import_module(f"bench.growth.{part.replace('-', '_')}").subjects(aws):
    for costs in measured(aws, subject):
        print(json.dumps([asdict(cost) for cost in costs]), flush=True)
