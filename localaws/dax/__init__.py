"""Amazon DAX on loopback: item cache, query cache, and the wire protocol of the unmodified `amazondax` client."""
