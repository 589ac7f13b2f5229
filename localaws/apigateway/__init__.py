"""API Gateway: REST APIs from OpenAPI documents, their limits, and the stage cache."""
