"""What it takes to live with many services: a new one, the contract of each, and clients made of it."""
