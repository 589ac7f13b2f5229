"""Secrets Manager: the staging labels of a secret's versions."""
