"""What at least two apps share. Nothing here knows an app."""
