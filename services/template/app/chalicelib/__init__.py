"""The modules of {{ app }}."""
