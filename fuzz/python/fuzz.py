#!/usr/bin/env python3
"""Fuzzes a decoder of the Python side: `python3 fuzz/python/fuzz.py TARGET [OPTION OF LIBFUZZER] CORPUS`. Needs atheris."""

import sys

import atheris

with atheris.instrument_imports(include=["beep_python"]):
    import decoders

target = decoders.TARGETS[sys.argv.pop(1)]
atheris.Setup(sys.argv, target)
atheris.Fuzz()
