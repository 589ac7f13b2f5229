"""CloudWatch Logs: checks of requests, and the retention of log groups."""
