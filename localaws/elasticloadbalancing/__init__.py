"""Elastic Load Balancing: the targets of a target group."""
