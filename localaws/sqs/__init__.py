"""SQS: moving the messages of a dead-letter queue."""
