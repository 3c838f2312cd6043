"""A soak: all operations on all wires, for a time, while workers are killed, clients vanish, and the machine has faults.

Every request must be answered, or fail with a reason that the fault explains which it was under. When all clients are gone, the
server must have no more than before. It needs Linux, a CPython from 3.9 up, curl, and a release binary. gRPC is among the wires where
grpcio, grpcio-reflection and grpcio-status can be imported, also from $BEEP_PYTHON_TEST_PACKAGES/soak; the clock jumps where libfaketime
is installed; root also tries a second user, and a disk that is full.
"""

import argparse
import os
import random
import sys
from pathlib import Path

from supervisor import supervise

TARGET = os.environ.get("CARGO_TARGET_DIR", Path(__file__).resolve().parents[2] / "target")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long it lasts, 2 at least (60)")
    parser.add_argument("--seed", type=int, help="the choices of an earlier run; what the machine makes of them may differ")
    parser.add_argument("--binary", type=Path, default=Path(TARGET, "release/beep-python"), help="the beep-python to test (target/release/beep-python)")
    parser.add_argument("--python", default=sys.executable, help="the Python of its sessions (the one that runs this)")
    options = parser.parse_args()
    if options.minutes < 2:
        parser.error("--minutes: each fault needs its turn, so there are 2 at least")
    if not options.binary.exists():
        parser.error(f"{options.binary} is not there: run `cargo build --release -p beep-python`, or name another with --binary")
    options.binary = options.binary.resolve()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    return options


def inside(options, folder):
    if "BEEP_PYTHON_TEST_PACKAGES" in os.environ:
        sys.path.append(os.path.join(os.environ["BEEP_PYTHON_TEST_PACKAGES"], "soak"))
    # Its own processes are of other programs, so it need not care for them.
    os.environ |= {"GRPC_ENABLE_FORK_SUPPORT": "0", "GRPC_VERBOSITY": "ERROR"}
    # With the threads of grpcio, which must not be there before the child is.
    import course

    return course.soak(options, folder)


if __name__ == "__main__":
    options = arguments()
    sys.exit(supervise(lambda folder: inside(options, folder), int(options.minutes * 60) + 55))
