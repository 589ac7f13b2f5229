"""Code that at least two apps use. Nothing here knows an app."""
