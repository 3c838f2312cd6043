"""The host's classes as Python code sees them. Every method asks the host, which runs the same Rust code as its commands."""

import os

from . import _host_rpc
from ._builtins import own as __builtins__


class VenvManager:
    """Virtual environments. Arguments of the constructor are accepted and ignored: there is one host.

    A `progress` that is given is called for each step with a dict: `stage` is "waiting", "resolving", "downloading",
    "building" or "installing", `message` says it for people, and `package`, `receivedBytes` and `totalBytes` are there
    where they are known. What fails raises HostError.
    """

    def __init__(self, *ignored, **also_ignored):
        pass

    def ensure_provider_environment(self, provider, model_id=None, progress=None):
        """The path of the provider's environment: made, filled or repaired where need be."""
        return _host_rpc.call("venv.ensure_provider", {"provider": provider, "modelId": model_id}, progress)["path"]

    def ensure_engine_environment(self, engine, progress=None):
        """The path of the engine's environment: made, filled or repaired where need be."""
        return _host_rpc.call("venv.ensure_engine", {"engine": engine}, progress)["path"]

    def provider_environment_name(self, provider, model_id=None):
        """What the provider's environment is called on this machine: `provider-cuda`."""
        return _host_rpc.call("venv.provider_name", {"provider": provider, "modelId": model_id})["name"]

    def registered_environment(self, provider, model_id=None):
        """The path of the environment that the provider has; None when it has none yet. Nothing is made."""
        return _host_rpc.call("venv.registered", {"provider": provider, "modelId": model_id})["path"]

    def providers(self):
        """What is known of every provider and engine that `providers.toml` names: a list of dicts."""
        return _host_rpc.call("provider.list", {})["providers"]

    def provider_status(self, provider, model_id=None):
        """What a provider needs, and what there is of it: a dict, with a list of dicts under `packages`."""
        return _host_rpc.call("provider.status", {"provider": provider, "modelId": model_id})

    def detect_accelerator(self):
        """What this machine computes with: `cuda`, `rocm`, `vulkan` or `cpu`."""
        return _host_rpc.call("provider.accelerator", {})["accelerator"]

    def mark_feature(self, provider, feature):
        """Notes that something beside packages is set up in the provider's environment."""
        _host_rpc.call("provider.mark_feature", {"provider": provider, "feature": feature})

    def has_feature(self, provider, feature):
        """Whether that was noted of the environment that the provider has now."""
        return _host_rpc.call("provider.has_feature", {"provider": provider, "feature": feature})["marked"]

    def tracked_packages(self, provider):
        """The packages of the provider's environment: a dict of versions by name."""
        return _host_rpc.call("provider.tracked", {"provider": provider})["packages"]

    def track_package(self, provider, package, version):
        """Notes that a package was put into the provider's environment by other means."""
        _host_rpc.call("provider.tracked", {"provider": provider, "package": [package, version]})

    def create(self, name):
        """Makes an empty environment; gives its path."""
        return _host_rpc.call("venv.create", {"name": name})["path"]

    def list(self):
        """What is known of every environment: a list of dicts."""
        return _host_rpc.call("venv.list", {})["environments"]

    def status(self, name):
        """What is known of one: a dict."""
        return _host_rpc.call("venv.status", {"name": name})

    def delete(self, name):
        """Deletes one. The environment that this code runs in is refused."""
        _host_rpc.call("venv.delete", {"name": name})

    def install(self, name, *packages, progress=None):
        """Installs packages, given as pip takes them; gives what is installed then: a list of dicts."""
        return _host_rpc.call("venv.install", {"name": name, "packages": list(packages)}, progress)["installed"]

    def uninstall(self, name, *packages):
        """Removes packages, given by their names; what they require stays. A dict: `removed`, a list of dicts; `absent`, what
        was not installed; `orphaned`, what misses them now."""
        return _host_rpc.call("venv.uninstall", {"name": name, "packages": list(packages)})

    def lock(self, name, file=None, progress=None):
        """Writes down what is installed, exactly and with hashes, into `file` or the environment's own pylock.toml; gives its
        path."""
        return _host_rpc.call("venv.lock", {"name": name, "file": _path(file)}, progress)["path"]

    def sync(self, name, file=None, progress=None):
        """Brings the packages to what a lock says, `file` or the environment's own; gives a dict of lists of dicts: `changed`
        and `removed`."""
        return _host_rpc.call("venv.sync", {"name": name, "file": _path(file)}, progress)

    def clone(self, name, to):
        """Copies an environment, with all that is installed in it; gives the copy's path."""
        return _host_rpc.call("venv.clone", {"name": name, "to": to})["path"]

    def repair(self, name, python=None, progress=None):
        """Mends an environment: its Python where that is gone, or is to be another one (`"3.12"`), and packages that are not
        whole. A dict: `path`; `was`, a dict whose `state` says what was wrong; `installed`, a list of dicts."""
        return _host_rpc.call("venv.repair", {"name": name, "python": python}, progress)


def _path(file):
    # The host stands in another folder.
    return None if file is None else os.path.abspath(file)


class PythonRuntimeManager:
    """Python runtimes. Arguments of the constructor are accepted and ignored: there is one host."""

    def __init__(self, *ignored, **also_ignored):
        pass

    def list(self):
        """What is known of every runtime of the home: a list of dicts."""
        return _host_rpc.call("runtime.list", {})["runtimes"]

    def install(self, version=None, progress=None):
        """Installs a runtime, `"3.12"` or the default version; gives what is known of it: a dict."""
        return _host_rpc.call("runtime.install", {"version": version}, progress)

    def use(self, name):
        """Makes a runtime the default, by its id or version; gives what is known of it: a dict."""
        return _host_rpc.call("runtime.use", {"name": name})

    def default(self):
        """The default runtime: a dict, or None."""
        return next((runtime for runtime in self.list() if runtime.get("isDefault")), None)


class VirtualEnvManager(VenvManager):
    """The name that some scripts know VenvManager by."""
