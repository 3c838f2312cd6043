"""A client that Google's grpcio makes: one call of endless code, which ends as it is told. It prints the status that it gets."""

import os
import signal
import sys
import time

import grpc

port, how, seconds, begun, code, *metadata = sys.argv[1:]
metadata = [tuple(pair.split("=", 1)) for pair in metadata]


def message(text):
    """A message with this text in its first field."""
    data = text.encode()
    length, size = len(data), b""
    while length > 127:
        size += bytes([length & 127 | 128])
        length >>= 7
    return b"\x0a" + size + bytes([length]) + data


def until_begun():
    while not os.path.exists(begun):
        time.sleep(0.001)


channel = grpc.insecure_channel("127.0.0.1:" + port)
evaluate = channel.unary_unary("/beep.python.runtime.PythonService/Evaluate")
execute = channel.unary_stream("/beep.python.runtime.PythonService/Execute")
request = message(code)
try:
    if how == "cancel":
        call = evaluate.future(request, metadata=metadata)
        until_begun()
        call.cancel()
    elif how == "cancel events":
        call = execute(request, metadata=metadata)
        until_begun()
        call.cancel()
    elif how == "close":
        call = evaluate.future(request, metadata=metadata)
        until_begun()
        channel.close()
    elif how == "kill":
        call = evaluate.future(request, metadata=metadata)
        until_begun()
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "deadline":
        call = evaluate(request, timeout=float(seconds), metadata=metadata)
    elif how == "deadline of with_call":
        call = evaluate.with_call(request, timeout=float(seconds), metadata=metadata)[1]
    elif how == "deadline of a future":
        call = evaluate.future(request, timeout=float(seconds), metadata=metadata)
        call.result()
    elif how == "deadline of events":
        call = execute(request, timeout=float(seconds), metadata=metadata)
        for _ in call:
            pass
    else:
        sys.exit("no way to end: " + how)
    print(call.code().name)
except grpc.RpcError as error:
    print(error.code().name)
