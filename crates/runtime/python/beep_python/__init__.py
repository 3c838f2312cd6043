"""The Python side of Beep Python Runtime. Standard library only; nothing is installed into environments.

`VenvManager` and `PythonRuntimeManager` manage environments and runtimes through the host's own classes, from any
thread of a session's code:

    from beep_python import VenvManager
    path = VenvManager().ensure_provider_environment("my-provider")

`shared_array` makes an array in memory that the client maps too. `progress` tells the client how far a call is, and `clear_output`
has it clear what the call has shown. `current_traceparent` is the trace that a call is part of.

Modules whose names begin with an underscore are private: `_zygote` forks workers, `_worker` runs one.
"""

from ._callbacks import Callback, CallbackError
from ._display import DisplayHandle, clear_output
from ._handles import handles
from ._host_rpc import HostError
from ._managers import PythonRuntimeManager, VenvManager, VirtualEnvManager
from ._memory import shared_array
from ._told import progress
from ._trace_context import current_traceparent

__all__ = [
    "Callback",
    "CallbackError",
    "DisplayHandle",
    "HostError",
    "PythonRuntimeManager",
    "VenvManager",
    "VirtualEnvManager",
    "clear_output",
    "current_traceparent",
    "handles",
    "progress",
    "shared_array",
]
