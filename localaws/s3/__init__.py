"""S3: CORS headers of error responses, lifecycle rules in CloudFormation, and requests that AWS rejects."""
