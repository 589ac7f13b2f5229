"""A second opinion on the templates: tools that know nothing of this project judge what a release would deploy.

`python -m deploy.audit`, or `make audit`, writes every template as a release deploys it, runs the tools, and compares
what they find with `exceptions.toml`, which has a reason for each exception. It fails if a finding has no reason, and
if an exception has no finding.
"""
