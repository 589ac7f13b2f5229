"""EC2 Auto Scaling: the instances of a group, as processes of this machine."""
