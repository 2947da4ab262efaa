"""How fast and how large: measurements that a person runs (``make bench``); they never decide a test.

``python -m benchmarks`` prints a table and rewrites the measured part of ``docs/benchmarks.md``. What is
measured runs in processes of its own (``work``), on a throw-away embedded server (``arena``).
"""
