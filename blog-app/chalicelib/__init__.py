"""MyBlog.com behind its routes and events."""
