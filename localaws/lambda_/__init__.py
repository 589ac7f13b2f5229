"""Lambda: event source mappings for streams and queues, and invocation metrics."""
