"""The host's classes as Python code sees them. Every method asks the host, which runs the same Rust code as its commands."""

from . import _host


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
        return _host.call("venv.ensure_provider", {"provider": provider, "modelId": model_id}, progress)["path"]

    def create(self, name):
        """Makes an empty environment; gives its path."""
        return _host.call("venv.create", {"name": name})["path"]

    def list(self):
        """What is known of every environment: a list of dicts."""
        return _host.call("venv.list", {})["environments"]

    def status(self, name):
        """What is known of one: a dict."""
        return _host.call("venv.status", {"name": name})

    def delete(self, name):
        """Deletes one. The environment that this code runs in is refused."""
        _host.call("venv.delete", {"name": name})

    def install(self, name, *packages, progress=None):
        """Installs packages, given as pip takes them; gives what is installed then: a list of dicts."""
        return _host.call("venv.install", {"name": name, "packages": list(packages)}, progress)["installed"]


class PythonRuntimeManager:
    """Python runtimes. Arguments of the constructor are accepted and ignored: there is one host."""

    def __init__(self, *ignored, **also_ignored):
        pass

    def list(self):
        """What is known of every runtime of the home: a list of dicts."""
        return _host.call("runtime.list", {})["runtimes"]

    def default(self):
        """The default runtime: a dict, or None."""
        return next((runtime for runtime in self.list() if runtime.get("isDefault")), None)


class VirtualEnvManager(VenvManager):
    """The name that some scripts know VenvManager by."""
