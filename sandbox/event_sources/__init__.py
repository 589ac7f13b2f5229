"""Lambda's event source mappings: streams and queues delivered to functions as the deployed mappings say."""
