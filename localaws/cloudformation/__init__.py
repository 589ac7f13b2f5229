"""CloudFormation: how templates are read."""
