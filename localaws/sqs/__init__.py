"""SQS: the results of batches, and moving the messages of a dead-letter queue."""
