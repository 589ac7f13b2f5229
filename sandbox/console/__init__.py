"""The console: one page that shows what the sandbox does."""
