"""SQS: the results of batches, receipt handles, requests that AWS rejects, and moving dead letters."""
