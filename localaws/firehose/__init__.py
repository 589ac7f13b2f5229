"""Firehose's data plane: delivery streams read, transformed, converted and delivered as the deployed ones say."""
