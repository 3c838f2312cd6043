"""Tests of the Python side, on its own: `python -m unittest discover -s tests -t .` in the folder above."""

import os
import sys

_packages = os.environ.get("BEEP_PYTHON_TEST_PACKAGES")
if _packages:  # a folder with one of packages for each Python
    _folder = os.path.join(_packages, "%d.%d" % sys.version_info[:2])
    if _folder not in sys.path:
        sys.path.append(_folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _folder)))  # of zygotes
