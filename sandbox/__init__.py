"""The one-machine run: an AWS on loopback that the apps are deployed to unchanged. Never packaged with an app."""
