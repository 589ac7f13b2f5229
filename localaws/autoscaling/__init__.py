"""EC2 Auto Scaling: the instances of a group, as local processes."""
