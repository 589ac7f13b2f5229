"""DynamoDB: replicas and time to live by CloudFormation, and what a query costs."""
