"""Demo users and content, so that each page has something to show."""
