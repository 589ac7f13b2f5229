"""The documentation as a site, which `make docs` builds: `python -m docs.site`."""
