"""Deploys an app: its resources by CloudFormation, itself by Chalice. The same on AWS and in the sandbox."""
