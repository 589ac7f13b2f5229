"""Tools for many services: create a service, write its OpenAPI document, and generate clients from it."""
