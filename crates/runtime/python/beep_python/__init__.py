"""What Beep Python Runtime adds to the Python it runs. Standard library only; nothing is installed into environments.

The modules whose names begin with an underscore are the worker's own: `_zygote` forks workers, `_worker` runs one.
"""
