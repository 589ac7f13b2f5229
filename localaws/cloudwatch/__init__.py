"""CloudWatch: statistics of metrics, and the states of alarms."""
