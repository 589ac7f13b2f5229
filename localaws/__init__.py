"""An AWS on loopback for Chalice and SAM projects: the emulator ministack with its gaps closed, and data planes."""
