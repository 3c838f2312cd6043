"""Each example of the README gives what stands below it."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import beep_python_client
from beep_python_client.server import find_command

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


class Readme(unittest.TestCase):
    def test_examples(self):
        self.assertGreater(len(EXAMPLES), 6)
        with tempfile.TemporaryDirectory() as home:
            command = find_command()
            environment = {**os.environ, "BEEP_PYTHON_HOME": home, "PYTHONPATH": str(Path(beep_python_client.__file__).parents[1])}
            subprocess.run([command, "init", "--python", os.path.realpath(sys.executable)], env=environment, check=True, stdout=subprocess.DEVNULL)
            subprocess.run([command, "start", "http", "pipe", "--port", "0"], env=environment, check=True, stdout=subprocess.DEVNULL)
            try:
                for code in EXAMPLES:
                    with self.subTest(code):
                        self.check(code, environment)
            finally:
                subprocess.run([command, "stop", "--all"], env=environment, check=True, stdout=subprocess.DEVNULL)

    def check(self, code, environment):
        expected = "".join(re.findall(r"^#> ?(.*\n)", code, re.MULTILINE))
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        lines = [line.rstrip() for line in ran.stdout.splitlines()]
        self.assertEqual(lines, expected.splitlines(), ran.stderr)


if __name__ == "__main__":
    unittest.main()
