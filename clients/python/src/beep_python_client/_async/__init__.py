"""The asynchronous client. `tools/unasync.py` makes the blocking one from it, but for `network`."""
