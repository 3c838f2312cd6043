"""What large data are measured beside: bare sockets, FastAPI and grpcio, each in a process of its own.

    python3 data_peers.py tcp|fastapi|grpc PORT BYTES
    python3 data_peers.py unix PATH BYTES

FastAPI and grpcio have a numpy array, and answer with its bytes, which a request copies, as one of ours does. The bare sockets, and the
rows whose bytes lie ready, have nothing to copy: they show what the peer, the kernel and the client take.
"""

import os
import socket
import struct
import sys


def array(size):
    import numpy

    return numpy.arange(size // 4, dtype=numpy.float32)


def payload(size):
    return memoryview(array(size)).cast("B")


def unix(path, size):
    """Sends its bytes, which lie in memory of the kernel: for `s` without a copy of its own, for `c` as a server has to whose memory
    changes afterwards: it reads 256 KiB at a time, and sends that."""
    memory = os.memfd_create("payload")
    os.write(memory, payload(size))
    piece = memoryview(bytearray(256 << 10))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        client, _ = listener.accept()
        while asked := client.recv(1):
            at = 0
            while at < size:
                if asked == b"s":
                    at += os.sendfile(client.fileno(), memory, at, size - at)
                    continue
                read = os.preadv(memory, [piece], at)
                client.sendall(piece[:read])
                at += read


def tcp(port, size):
    """Sends its bytes for `o`; for `i` and a u64 receives so many, and answers with a byte."""
    data = payload(size)
    listener = socket.create_server(("127.0.0.1", port))
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray(1 << 20)
        while asked := client.recv(1):
            (length,) = struct.unpack("<Q", client.recv(8, socket.MSG_WAITALL))
            if asked == b"o":
                client.sendall(data[:length])
                continue
            while length:
                length -= client.recv_into(buffer, min(length, len(buffer)))
            client.sendall(b".")


def fastapi(port, size):
    import uvicorn
    from fastapi import FastAPI, Response

    data = array(size)
    ready = bytes(payload(size))
    app = FastAPI()

    @app.get("/array")
    async def fetch(n: int):
        return Response(data[: n // 4].tobytes(), media_type="application/octet-stream")

    @app.get("/ready")
    async def give(n: int):
        return Response(ready[:n], media_type="application/octet-stream")

    @app.get("/made")
    async def make(n: int):
        import numpy

        made = numpy.arange(n // 4, dtype=numpy.float32) * numpy.float32(0.37)
        return Response(made.tobytes(), media_type="application/octet-stream")

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


def grpc(port, size):
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    data = array(size)
    ready = bytes(payload(size))
    chunks = [ready[at : at + 1048576] for at in range(0, size, 1048576)]
    methods = {
        "Array": grpc.unary_unary_rpc_method_handler(lambda request, _: data[: int(request) // 4].tobytes()),
        "Chunks": grpc.unary_stream_rpc_method_handler(lambda request, _: iter(chunks)),
    }
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Data", methods),))
    server.add_insecure_port("127.0.0.1:%d" % port)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    kind, place, size = sys.argv[1:]
    {"unix": unix, "tcp": tcp, "fastapi": fastapi, "grpc": grpc}[kind](place if kind == "unix" else int(place), int(size))
