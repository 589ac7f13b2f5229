"""The modules of pipeline-app."""
