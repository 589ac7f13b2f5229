"""MyTodoList behind its routes."""
