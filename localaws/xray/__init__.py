"""Traces: what happens for each request and event, over all functions, and the API of X-Ray that reads them."""
