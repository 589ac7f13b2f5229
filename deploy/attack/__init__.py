"""`make attack`: what an attacker tries against every app of a stage, on AWS and in the sandbox alike.

Each case tries one thing that must not work, named after it, and says what would be lost. It first does what is allowed
in the same way, so that a refusal proves something. It uses only what the attacker has: a user of their own, or the
network. Where a case signs with a key of the stage, it forges what the attacker would have to forge.

``case.py`` is what a case is made of, ``runner.py`` runs them, ``stage.py`` chooses them. Each other module is a class
of attacks. docs/attack.md lists what is not tried.
"""
