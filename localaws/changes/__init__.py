"""What the data planes wait for: records and messages that arrive, and changes of what is deployed."""

WAIT_SECONDS = 20
"""How long a request waits for news, at most. It is the longest wait of ReceiveMessage:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html"""
