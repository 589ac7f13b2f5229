"""Kinesis Data Streams: the retention period of records, and requests that AWS rejects."""
