"""The ingestion pipeline behind its routes and events."""
