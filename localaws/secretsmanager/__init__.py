"""Secrets Manager: the staging labels of secret versions, and requests that AWS rejects."""
