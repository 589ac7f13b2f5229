"""Glue: how the tables of the Data Catalog are authorized."""
