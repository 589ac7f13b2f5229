"""IAM: how the local AWS authorizes requests."""
