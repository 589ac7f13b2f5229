"""EC2: its Availability Zones, instance types and the quota of vCPUs."""
