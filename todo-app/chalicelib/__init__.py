"""The modules of todo-app."""
