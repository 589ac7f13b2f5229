"""Measures the operations of one part, and prints their costs as JSON: `python -m bench.growth todo-app`."""

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
subjects = import_module(f"bench.growth.{part.replace('-', '_')}").subjects(aws)
print(json.dumps([[asdict(cost) for cost in costs] for each in subjects for costs in measured(aws, each)]))
