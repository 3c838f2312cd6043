"""The Python side of Beep Python Runtime. Standard library only; nothing is installed into environments.

`VenvManager` and `PythonRuntimeManager` manage environments and runtimes through the host's own classes, from any
thread of a session's code:

    from beep_python import VenvManager
    path = VenvManager().ensure_provider_environment("my-provider")

`shared_array` makes an array in memory that the client maps too.

Modules whose names begin with an underscore are private: `_zygote` forks workers, `_worker` runs one.
"""

from ._callbacks import Callback, CallbackError
from ._handles import handles
from ._host_rpc import HostError
from ._managers import PythonRuntimeManager, VenvManager, VirtualEnvManager
from ._memory import shared_array

__all__ = [
    "Callback",
    "CallbackError",
    "HostError",
    "PythonRuntimeManager",
    "VenvManager",
    "VirtualEnvManager",
    "handles",
    "shared_array",
]
