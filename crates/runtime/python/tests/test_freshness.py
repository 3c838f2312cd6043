"""A zygote knows when its environment holds something else."""

import os
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

from beep_python import _freshness
from beep_python._freshness import Freshness


class FreshnessTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.site, self.own = (os.path.join(folder.name, name) for name in ("site", "own"))
        for name in ("site", "site/pack", "site/pack-1.0.dist-info", "own"):
            os.mkdir(os.path.join(folder.name, name))
        self.write("site/pack/__init__.py", "from . import part")
        self.write("site/pack/part.py", "")
        self.write("own/ours.py", "")
        self.addCleanup(lambda: [sys.modules.pop(name, None) for name in ("pack", "pack.part", "ours")])
        for change in (
            mock.patch.object(sys, "path", [self.own, self.site, *sys.path]),
            mock.patch.object(_freshness, "site_folders", lambda: [self.site]),
        ):
            change.start()
            self.addCleanup(change.stop)

    def path(self, name):
        return os.path.join(os.path.dirname(self.site), *name.split("/"))

    def write(self, name, text):
        """Writes a file in place, so that its folder stays as it was."""
        with open(self.path(name), "w") as file:
            file.write(text)

    def replace(self, name, text):
        """Writes a file as an installer does."""
        self.write(name + ".new", text)
        os.replace(self.path(name + ".new"), self.path(name))

    def after(self, change, preloaded=("pack", "ours")):
        for name in preloaded:
            __import__(name)
        fresh = Freshness(preloaded)
        self.assertIsNone(fresh.changed())
        change()
        return fresh.changed()

    def test_nothing(self):
        self.assertIsNone(self.after(lambda: None))

    def test_an_installer_replaces_a_module(self):
        self.assertEqual(self.after(lambda: self.replace("site/pack/part.py", "new")), self.path("site/pack"))

    def test_an_installer_removes_a_module(self):
        self.assertEqual(self.after(lambda: os.unlink(self.path("site/pack/part.py"))), self.path("site/pack"))

    def test_an_editor_writes_a_module_in_place(self):
        for name in ("own/ours.py", "site/pack/__init__.py"):
            self.assertEqual(self.after(lambda name=name: self.write(name, "new")), self.path(name))

    def test_packages_come_and_go(self):
        self.assertEqual(self.after(lambda: os.mkdir(self.path("site/more-1.dist-info"))), self.site)
        self.assertEqual(self.after(lambda: os.rmdir(self.path("site/pack-1.0.dist-info"))), self.site)
        change = lambda: os.mkdir(self.path("site/other-1.dist-info"))
        self.assertIsNone(self.after(change, preloaded=()), "no module has read the metadata")

    def test_an_editable_install_comes_and_changes(self):
        add = lambda: self.write("site/__editable__.pth", self.own)
        self.assertEqual(self.after(add, preloaded=()), self.site)
        self.assertEqual(self.after(lambda: self.replace("site/__editable__.pth", "/other"), preloaded=()), self.site)

    def test_what_each_start_runs(self):
        self.assertEqual(self.after(lambda: self.write("site/sitecustomize.py", ""), preloaded=()), self.site)
        sys.modules["usercustomize"] = types.ModuleType("usercustomize")
        self.addCleanup(sys.modules.pop, "usercustomize")
        sys.modules["usercustomize"].__file__ = self.path("site/usercustomize.py")
        self.write("site/usercustomize.py", "")
        self.assertEqual(self.after(lambda: self.write("site/usercustomize.py", "new"), preloaded=()), self.path("site/usercustomize.py"))

    def test_what_no_module_is_made_of_does_not_matter(self):
        def change():
            os.makedirs(self.path("site/pack/__pycache__"), exist_ok=True)
            self.write("site/pack/__pycache__/part.pyc", "")
            self.write("site/pack/cache.db", "")
            os.mkdir(self.path("site/__pycache__"))

        self.assertIsNone(self.after(change))

    def test_another_environment_in_the_same_place(self):
        with mock.patch.object(sys, "prefix", self.own):
            self.write("own/pyvenv.cfg", "home = /a")
            self.assertEqual(self.after(lambda: self.replace("own/pyvenv.cfg", "home = /b")), self.path("own/pyvenv.cfg"))
        link = self.path("own/python")
        os.symlink(sys.executable, link)
        with mock.patch.object(sys, "executable", link):
            self.assertEqual(self.after(lambda: (os.unlink(link), os.symlink(__file__, link))), link)
            self.assertEqual(self.after(lambda: os.unlink(link)), link)

    def test_modules_that_are_no_modules(self):
        class Odd:
            __slots__ = ()

        sys.modules["odd"], sys.modules["odd.none"] = Odd(), None
        self.addCleanup(lambda: [sys.modules.pop(name, None) for name in ("odd", "odd.none")])
        self.assertIsNone(self.after(lambda: None))

    def test_python_itself_is_not_looked_at(self):
        code = "from beep_python._freshness import *\nprint(len(Freshness().files))"
        run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=os.path.dirname(os.path.dirname(__file__)))
        self.assertEqual(int(run.stdout), 2)
