"""Systems Manager: names of parameters."""
