"""Software update distribution: an update server, a release tool, a client, and templates without and with an edge."""
