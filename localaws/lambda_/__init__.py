"""Lambda: event source mappings, which deliver streams and queues to functions, and invocation metrics."""
