"""Software update distribution: an ordinary origin, its release tool, a client, and an edge before it."""
