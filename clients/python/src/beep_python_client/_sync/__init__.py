"""The blocking client. All but `network` is made from `_async` by `tools/unasync.py`."""
