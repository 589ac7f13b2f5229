"""Parity: the local AWS beside answers that were recorded on AWS.

`python -m localaws.parity CHECKOUT…` runs cases of two public test suites against the bare emulator and against
localaws: those of LocalStack that are marked `aws.validated` and compare with recorded answers of AWS, and those of
moto that are marked `aws_verified`. `suites.toml` says which cases matter, `known/` lists each case that differs.
"""
