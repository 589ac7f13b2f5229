"""{{ Things }} behind their routes."""
