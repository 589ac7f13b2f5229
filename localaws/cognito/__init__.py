"""Cognito: user names in any case, and identity pools without guests."""
