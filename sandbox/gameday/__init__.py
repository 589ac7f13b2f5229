"""`make gameday`: cause each fault in a sandbox, wait for its alarm, follow the runbook, wait for the end.

``faults.py`` has the faults in rounds, ``stage.py`` what they do to the stage, ``day.py`` plays a round. The clock of
the sandbox is turned by a minute or more at a time, so an alarm that needs five minutes takes seconds.
"""
