"""What the apps keep, for the console's page of data: tables, buckets, queues, streams and queries. It only reads."""
