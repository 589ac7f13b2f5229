"""S3: CORS headers of error responses, and lifecycle rules in CloudFormation."""
