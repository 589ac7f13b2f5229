"""Kinesis Data Streams: the retention period of records."""
