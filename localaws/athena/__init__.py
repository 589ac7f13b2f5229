"""Athena engine version 3: SQL on DuckDB over the emulator's S3 and Glue, with the permissions of the caller."""
