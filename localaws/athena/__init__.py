"""Athena's engine, version 3: its SQL on DuckDB, over the emulator's S3 and Glue, with the caller's own rights."""
