"""Kinesis Data Streams: how long a stream keeps its records."""
