"""Tests of the Python side, on its own: `python -m unittest discover -s tests -t .` in the folder above."""

import atexit
import os
import shutil
import sys
import tempfile

# where the workers of tests put the sources that define functions
_made_by = os.getpid()
_temporary = os.environ["TMPDIR"] = tempfile.mkdtemp()
tempfile.tempdir = None


@atexit.register
def _clean_up():
    if os.getpid() == _made_by:
        shutil.rmtree(_temporary, ignore_errors=True)


_packages = os.environ.get("BEEP_PYTHON_TEST_PACKAGES")
if _packages:  # a folder with one of packages for each Python
    _folder = os.path.join(_packages, "%d.%d" % sys.version_info[:2])
    if _folder not in sys.path:
        sys.path.append(_folder)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), _folder)))  # of zygotes
