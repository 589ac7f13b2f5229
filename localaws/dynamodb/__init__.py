"""DynamoDB: replicas and TTL in CloudFormation, and the cost of a Query."""
