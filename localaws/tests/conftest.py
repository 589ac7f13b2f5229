"""The fixtures of a local AWS, as a project that uses localaws gets them."""

pytest_plugins = ["localaws.testing"]
