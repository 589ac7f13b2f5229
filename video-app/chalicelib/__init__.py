"""The modules of video-app."""
