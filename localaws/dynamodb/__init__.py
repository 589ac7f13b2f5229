"""DynamoDB: replicas and TTL in CloudFormation, the cost of a Query, expressions, and the order of a Scan."""
