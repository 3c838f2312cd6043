"""Stands in an environment without pip, where `python -m pip` and `import pip` look for it. A pip that is installed goes before it."""

import os
import sys

HOW = "no pip is installed here; `beep-python venv install %s PACKAGE...` installs packages" % os.path.basename(sys.prefix)
if __name__ == "__main__":
    sys.exit("%s: No module named pip: %s" % (sys.executable, HOW))
raise ModuleNotFoundError("No module named 'pip': " + HOW, name="pip")
