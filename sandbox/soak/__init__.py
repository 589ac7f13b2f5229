"""`make soak`: mixed load on all systems, faults and a restart, and then the books.

The clients (``clients.py``, run by locust) write in a journal what they asked for and what they were told
(``journal.py``). ``schedule.py`` says which faults happen when. At the end ``audit.py`` counts what is there,
``books.py`` compares it with the journal, and ``report.py`` writes the result.
"""
