"""`make gameday`: cause each fault in the running sandbox, wait for its alarm, follow the runbook, wait for the end.

``faults.py`` has the faults, ``stage.py`` what they do to the stage, ``day.py`` plays one. The clock of the sandbox is
turned by a minute at a time, so an alarm that needs five minutes takes seconds.
"""
