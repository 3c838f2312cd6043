"""`python -m beep_python_client`: what servers there are."""

from __future__ import annotations

import sys

from . import BeepPythonError, running_servers
from .server import find_command


def main() -> int:
    try:
        servers = running_servers()
        command = find_command()
    except BeepPythonError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for record in servers:
        for endpoint in record["endpoints"]:
            print(f"{record['id']}  Python {record['pythonVersion']}  {endpoint['url']}")
    if not servers:
        print(f"No server runs. Start one:  {command} start http pipe")
    return 0


if __name__ == "__main__":
    sys.exit(main())
