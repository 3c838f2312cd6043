"""Tests of the Python side, on its own: `python -m unittest discover -s tests -t .` in the folder above."""
