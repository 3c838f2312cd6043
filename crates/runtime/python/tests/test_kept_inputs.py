import os
import sys
import unittest

FUZZ = os.path.join(os.path.dirname(__file__), *[os.pardir] * 4, "fuzz")
sys.path.append(os.path.join(FUZZ, "python"))

from decoders import TARGETS


class KeptInputs(unittest.TestCase):
    """What fuzzing found or needs to begin with."""

    def test_every_kept_input_is_decoded(self):
        for name, decode in TARGETS.items():
            folder = os.path.join(FUZZ, "corpus", name)
            inputs = sorted(os.listdir(folder))
            self.assertTrue(1 <= len(inputs) <= 50, "%s keeps %d inputs, not 1 to 50" % (name, len(inputs)))
            for file in inputs:
                with self.subTest(target=name, file=file), open(os.path.join(folder, file), "rb") as opened:
                    decode(opened.read())
