"""Firehose: delivery streams that read a Kinesis stream, transform and convert records, and write them to S3."""
