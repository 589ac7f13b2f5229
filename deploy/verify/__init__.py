"""`make verify`: a user's journey through every app of a stage, on AWS and in the sandbox alike.

A journey finds its addresses in what the stage's stacks say, and uses only what AWS offers. It makes its own users and
data, whose names begin with ``verify-``, and removes them at the end, also after a failed step and after Ctrl-C.

``journey.py`` is what a journey is made of, ``runner.py`` runs them, ``report.py`` writes the results. Each other
module with the name of an app is its journey.
"""
