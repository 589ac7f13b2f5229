"""The modules of blog-app."""
