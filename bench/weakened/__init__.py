"""`make weakened`: attacks a copy of the suite from which guards are taken, and expects that every attack succeeds.

A case of `make attack` that is refused by the suite proves something only if it is admitted without the guard that it
tests. ``weakenings.py`` has the guards. The copy is `.weakened/tree`. It runs in a sandbox of its own, on other ports.
"""
