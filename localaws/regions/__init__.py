"""Regions that are down: what the emulator does then, and the commands for it."""
