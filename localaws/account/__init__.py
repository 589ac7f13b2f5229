"""The state of the account: its service quotas, and the requests that AWS decides on."""
