"""The host's management classes for Python code. Every method calls the host, which runs the same code as its commands."""

import os

from . import _host_rpc
from ._builtins import own as __builtins__


_OPTIONAL = "model_id", "python", "file", "version"
_NAMES = {"modelId": "model_id"}  # of arguments, where the host has others


def _call(method, params, progress=None):
    """Calls the host with arguments that are text."""
    for key, value in params.items():
        name = _NAMES.get(key, key)
        if key in ("package", "packages"):
            wrong = next((part for part in value if not isinstance(part, str)), None)
            if wrong is not None:
                raise TypeError("%r must be text, not %s" % (key, type(wrong).__name__))
        elif not isinstance(value, str) and not (value is None and name in _OPTIONAL):
            raise TypeError("%r must be text%s, not %s" % (name, " or None" if name in _OPTIONAL else "", type(value).__name__))
    if progress is not None and not callable(progress):
        raise TypeError("'progress' must be callable or None, not %s" % type(progress).__name__)
    return _host_rpc.call(method, params, progress)


class VenvManager:
    """Virtual environments. Arguments of the constructor are accepted and ignored: there is one host.

    `progress`, if given, is called for each step with a dict: `stage` is "waiting", "resolving", "downloading",
    "building" or "installing", `message` is a sentence for people, and `package`, `receivedBytes`, `totalBytes` and
    `waitingFor` are set when known. Failures raise HostError.
    """

    def __init__(self, *ignored, **also_ignored):
        pass

    def ensure_provider_environment(self, provider, model_id=None, progress=None):
        """Returns the path of the provider's environment, which is created, filled or repaired as needed."""
        return _call("venv.ensure_provider", {"provider": provider, "modelId": model_id}, progress)["path"]

    def ensure_engine_environment(self, engine, progress=None):
        """Returns the path of the engine's environment, which is created, filled or repaired as needed."""
        return _call("venv.ensure_engine", {"engine": engine}, progress)["path"]

    def provider_environment_name(self, provider, model_id=None):
        """Returns the name of the provider's environment on this machine: `provider-cuda`."""
        return _call("venv.provider_name", {"provider": provider, "modelId": model_id})["name"]

    def registered_environment(self, provider, model_id=None):
        """Returns the path of the provider's environment; None if it has none yet. Creates nothing."""
        return _call("venv.registered", {"provider": provider, "modelId": model_id})["path"]

    def providers(self):
        """Describes every provider and engine in `providers.toml`: a list of dicts."""
        return _call("provider.list", {})["providers"]

    def provider_status(self, provider, model_id=None):
        """Describes a provider's requirements and which are installed: a dict, with a list of dicts under `packages`."""
        return _call("provider.status", {"provider": provider, "modelId": model_id})

    def detect_accelerator(self):
        """Returns the accelerator of this machine: `cuda`, `rocm`, `vulkan` or `cpu`."""
        return _call("provider.accelerator", {})["accelerator"]

    def mark_feature(self, provider, feature):
        """Records that a feature other than a package is set up in the provider's environment."""
        _call("provider.mark_feature", {"provider": provider, "feature": feature})

    def has_feature(self, provider, feature):
        """Whether that feature was recorded for the provider's current environment."""
        return _call("provider.has_feature", {"provider": provider, "feature": feature})["marked"]

    def tracked_packages(self, provider):
        """Returns the packages of the provider's environment: a dict of versions by name."""
        return _call("provider.tracked", {"provider": provider})["packages"]

    def track_package(self, provider, package, version):
        """Records that a package was installed into the provider's environment by other means."""
        _call("provider.tracked", {"provider": provider, "package": [package, version]})

    def create(self, name):
        """Creates an empty environment; returns its path."""
        return _call("venv.create", {"name": name})["path"]

    def list(self):
        """Describes every environment: a list of dicts."""
        return _call("venv.list", {})["environments"]

    def status(self, name):
        """Describes an environment: a dict."""
        return _call("venv.status", {"name": name})

    def delete(self, name):
        """Deletes an environment; not the one that this code runs in."""
        _call("venv.delete", {"name": name})

    def install(self, name, *packages, progress=None):
        """Installs packages, given as to pip; returns what is installed afterwards: a list of dicts."""
        return _call("venv.install", {"name": name, "packages": list(packages)}, progress)["installed"]

    def uninstall(self, name, *packages):
        """Removes packages by name, but not their requirements. Returns a dict: `removed`, a list of dicts; `absent`, those
        that were not installed; `orphaned`, the packages that now miss a requirement."""
        return _call("venv.uninstall", {"name": name, "packages": list(packages)})

    def lock(self, name, file=None, progress=None):
        """Locks the installed packages, with exact versions and hashes, in `file` or the environment's own pylock.toml;
        returns its path."""
        return _call("venv.lock", {"name": name, "file": _path(file)}, progress)["path"]

    def sync(self, name, file=None, progress=None):
        """Installs exactly the packages of a lock, `file` or the environment's own; returns a dict of lists of dicts:
        `changed` and `removed`."""
        return _call("venv.sync", {"name": name, "file": _path(file)}, progress)

    def clone(self, name, to):
        """Copies an environment with its packages; returns the path of the copy."""
        return _call("venv.clone", {"name": name, "to": to})["path"]

    def repair(self, name, python=None, progress=None):
        """Repairs an environment: a missing Python, a change to another (`"3.12"`), and incomplete packages. Returns a dict:
        `path`; `was`, a dict whose `state` says what was wrong; `installed`, a list of dicts."""
        return _call("venv.repair", {"name": name, "python": python}, progress)


def _path(file):
    # The host runs in another directory.
    if file is not None and not isinstance(file, (str, os.PathLike)):
        raise TypeError("'file' must be a path or None, not %s" % type(file).__name__)
    return None if file is None else os.fsdecode(os.path.abspath(file))


class PythonRuntimeManager:
    """Python runtimes. Arguments of the constructor are accepted and ignored: there is one host."""

    def __init__(self, *ignored, **also_ignored):
        pass

    def list(self):
        """Describes every runtime of the home: a list of dicts."""
        return _call("runtime.list", {})["runtimes"]

    def install(self, version=None, progress=None):
        """Installs a runtime, `"3.12"` or the default version; returns its description: a dict."""
        return _call("runtime.install", {"version": version}, progress)

    def use(self, name):
        """Makes a runtime the default, by its id or version; returns its description: a dict."""
        return _call("runtime.use", {"name": name})

    def default(self):
        """Returns the default runtime: a dict, or None."""
        return next((runtime for runtime in self.list() if runtime.get("isDefault")), None)


class VirtualEnvManager(VenvManager):
    """Another name of VenvManager, for existing scripts."""
