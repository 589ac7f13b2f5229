"""Amazon DAX on loopback: its caches, and its wire protocol for the unchanged `amazondax` client."""
