"""What localaws does not play: the listed exceptions, and the record of what a handler reads."""
