"""Secrets Manager: the staging labels of secret versions."""
