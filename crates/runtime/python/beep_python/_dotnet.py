"""The predecessor's API: `import clr`, `clr.AddReference("Beep.Python.Runtime")`, and the `Beep.*` modules.

If pythonnet is installed, `clr` remains pythonnet's; only its AddReference also accepts our assembly.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

from ._builtins import own as __builtins__
from ._dotnet_interface import Interface

ASSEMBLY = "Beep.Python.Runtime"
NAMESPACE = "Beep.Python.RuntimeEngine.Infrastructure"
SERVICES = "Beep.Python.RuntimeHost.Services"
ENGINE = "Beep.Python.RuntimeEngine"
_PARENTS = frozenset(name.rsplit(".", depth)[0] for name in (NAMESPACE, SERVICES) for depth in range(1, 4)) | {ASSEMBLY}


def install():
    """Our `Beep.*` and `clr` modules are found last, after any others; a hook patches a real `clr` as it loads."""
    sys.meta_path.append(CompatModules())
    sys.meta_path.insert(0, ClrImportHook())


class CompatModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in ("clr", NAMESPACE, SERVICES) or name in _PARENTS:
            return importlib.machinery.ModuleSpec(name, self, is_package=name in _PARENTS)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        if name == "clr":
            fill_clr(module)
        elif name == NAMESPACE:
            fill_namespace(module)
            fill_hosts(module, HOSTS)
        elif name == SERVICES:
            fill_hosts(module, HOSTS)
        elif name == ENGINE:
            fill_hosts(module, TYPES)


class ClrImportHook(importlib.abc.MetaPathFinder):
    """Lets the other finders find the real `clr`, and wraps its loader."""

    busy = False

    def find_spec(self, name, path=None, target=None):
        if name != "clr" or self.busy:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy = False
        if spec is not None and spec.loader is not None and not isinstance(spec.loader, CompatModules):
            spec.loader = ClrLoader(spec.loader)
        return spec


class ClrLoader(importlib.abc.Loader):
    """Loads the real `clr`; if that fails, because there is no .NET, ours replaces it."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        try:
            self.loader.exec_module(module)
        except Exception as error:
            module.__dict__["load_error"] = error
            fill_clr(module)
            sys.modules["clr"] = module
        else:
            patch_clr(sys.modules.get("clr", module))

    def __getattr__(self, name):
        return getattr(self.loader, name)


class PatchedClr(types.ModuleType):
    """The real clr, whose AddReference also accepts our assembly. A property, because pythonnet rewrites the functions in
    the module's dict whenever an assembly is loaded."""

    @property
    def AddReference(self):
        real = self.__dict__.get("AddReference")
        if real is None:
            raise AttributeError("module 'clr' has no attribute 'AddReference'")

        def AddReference(name, *rest):
            return _assembly() if is_ours(name) else real(name, *rest)

        AddReference.__doc__ = getattr(real, "__doc__", None)
        return AddReference

    @AddReference.setter
    def AddReference(self, function):
        self.__dict__["AddReference"] = function


def patch_clr(clr):
    clr.__class__ = PatchedClr


def fill_clr(clr):
    def AddReference(name, *rest):
        if is_ours(name):
            return _assembly()
        why = clr.__dict__.get("load_error")
        raise FileNotFoundError(
            "Unable to find assembly '%s'. This clr is Beep Python Runtime's own and knows '%s' only; %s"
            % (name, ASSEMBLY, "pythonnet is installed but did not load: %s" % why if why else "install pythonnet for .NET")
        )

    clr.AddReference = AddReference
    clr.__doc__ = "Stands in for pythonnet's clr, for the names of Beep Python Runtime."


def is_ours(name):
    """Whether an assembly's name, or the path of its file, is that of the predecessor's."""
    if not isinstance(name, str):
        return False
    name = name.replace("\\", "/").rpartition("/")[2]
    return name.casefold() in (ASSEMBLY.casefold(), (ASSEMBLY + ".dll").casefold())


def _assembly():
    return types.SimpleNamespace(FullName=ASSEMBLY)


TYPES = ("PythonBackendType", "PythonBackendConfig")
HOSTS = (*TYPES, "IPythonHostBackend", "PythonBackendFactory", "PythonHostHttp", "PythonHostPipe", "PythonHostRpc", "PythonServerLauncher")


def fill_hosts(module, names):
    """The same classes in each namespace: some of the predecessor's documents have them in one, some in the other."""
    from . import _dotnet_hosts, _dotnet_launcher

    for name in names:
        setattr(module, name, getattr(_dotnet_launcher if name == "PythonServerLauncher" else _dotnet_hosts, name))


def fill_namespace(module):
    from . import _managers

    class VenvManager(_managers.VenvManager):
        def EnsureProviderEnvironment(self, providerName, modelId=None, progress=None):
            return self.ensure_provider_environment(providerName, modelId, progress)

        def EnsureEngineEnvironment(self, engineName, progress=None):
            return self.ensure_engine_environment(engineName, progress)

        def GetProviderPackageStatus(self, providerName):
            return self.provider_status(providerName)["packages"]

        def GetRegisteredEnvironmentPath(self, providerName):
            return self.registered_environment(providerName)

        def ComputeProviderVenvName(self, providerName, modelId=None):
            return self.provider_environment_name(providerName, modelId)

        def DetectGPUBackend(self):
            return self.detect_accelerator()

        def IsFeatureInstalled(self, providerName, featureName):
            return self.has_feature(providerName, featureName)

        def MarkFeatureInstalled(self, providerName, featureName, venvPath=None):
            self.mark_feature(providerName, featureName)

        def GetTrackedPackages(self, providerName):
            return self.tracked_packages(providerName)

        def IsPackageTracked(self, providerName, packageName):
            same = lambda name: name.lower().replace("_", "-").replace(".", "-")  # noqa: E731
            return same(packageName) in map(same, self.tracked_packages(providerName))

        def MarkPackageInstalled(self, providerName, packageName, version=None):
            self.track_package(providerName, packageName, version or "")

        def CreateVirtualEnvironment(self, name):
            return self.create(name)

        def DeleteVirtualEnvironment(self, name):
            self.delete(name)
            return True

        def ListVirtualEnvironments(self):
            return self.list()

        def InstallPackages(self, name, packages, progress=None):
            packages = [packages] if isinstance(packages, str) else packages
            return self.install(name, *packages, progress=progress)

        def UninstallPackages(self, name, packages):
            packages = [packages] if isinstance(packages, str) else packages
            return self.uninstall(name, *packages)

        def LockEnvironment(self, name, filePath=None, progress=None):
            return self.lock(name, filePath, progress)

        def SyncEnvironment(self, name, filePath=None, progress=None):
            return self.sync(name, filePath, progress)

        def CloneVirtualEnvironment(self, name, newName):
            return self.clone(name, newName)

        def RepairVirtualEnvironment(self, name, pythonVersion=None, progress=None):
            return self.repair(name, pythonVersion, progress)

    class VirtualEnvManager(VenvManager):
        pass

    class PythonRuntimeManager(_managers.PythonRuntimeManager):
        def GetAvailableRuntimes(self):
            return self.list()

        def GetDefaultRuntime(self):
            return self.default()

        def InstallRuntime(self, version=None, progress=None):
            return self.install(version, progress)

        def SetDefaultRuntime(self, runtimeId):
            return self.use(runtimeId)

    class IVenvManager(Interface):
        """What environments are managed with; VenvManager does the work."""

    class IPythonRuntimeManager(Interface):
        """What runtimes are managed with; PythonRuntimeManager does the work."""

    IVenvManager.implement(_managers.VenvManager)
    IPythonRuntimeManager.implement(_managers.PythonRuntimeManager)
    for kind in (VenvManager, VirtualEnvManager, PythonRuntimeManager, IVenvManager, IPythonRuntimeManager):
        kind.__module__ = NAMESPACE
        kind.__qualname__ = kind.__name__
        setattr(module, kind.__name__, kind)
