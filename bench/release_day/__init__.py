"""A release day on this machine: the same clients and servers, without the edge and with it."""
