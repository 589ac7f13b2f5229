"""The video shop behind its routes."""
