"""CloudWatch Logs: the retention of log groups."""
