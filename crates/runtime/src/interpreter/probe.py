# Tells what it is, as one line of JSON. Must run on any Python that knows -I, however old, so that an old one can be
# refused by its version and not by a SyntaxError.
import json
import os
import sys

implementation = getattr(getattr(sys, "implementation", None), "name", "unknown")
info = sys.version_info
version = "%d.%d.%d" % info[:3]
if info[3] != "final":
    version += {"alpha": "a", "beta": "b", "candidate": "rc"}[info[3]] + str(info[4])

try:
    libc = "gnu" if os.confstr("CS_GNU_LIBC_VERSION") else "musl"
except (AttributeError, OSError, ValueError):
    libc = "musl" if sys.platform.startswith("linux") else "none"

print(
    json.dumps(
        {
            "path": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
            "version": version,
            "implementation": implementation,
            "prefix": sys.base_prefix,
            "stdlib": os.path.dirname(os.path.abspath(os.__file__)),
            "platform": "-".join(
                ["linux" if sys.platform.startswith("linux") else sys.platform, os.uname().machine, libc]
            ),
            "free_threaded": "t" in getattr(sys, "abiflags", ""),
            "pointer_bits": 64 if sys.maxsize > 2**32 else 32,
        }
    )
)
