"""The console: one page that shows the state of the sandbox."""
