"""IAM: how requests are authorized."""
