"""CloudFront: an edge that serves the deployed distributions on loopback."""
