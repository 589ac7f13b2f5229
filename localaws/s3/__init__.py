"""S3: CORS headers of refused requests, and lifecycle rules by CloudFormation."""
