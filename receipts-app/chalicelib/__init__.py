"""Receipts behind their routes."""
