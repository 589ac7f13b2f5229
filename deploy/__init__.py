"""Deploys the apps by CloudFormation and Chalice, to AWS and to the sandbox alike."""
