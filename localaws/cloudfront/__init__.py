"""CloudFront's data plane on loopback, driven by the deployed distributions."""
