"""Kinesis Data Streams: the retention period of records, the throughput of shards, and requests that AWS rejects."""
