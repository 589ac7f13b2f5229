"""Cognito: names and addresses of users, users that administrators create, and identity pools without guests."""
