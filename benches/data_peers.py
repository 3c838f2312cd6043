"""What large data are measured beside: a bare socket, FastAPI and grpcio, each in a process of its own.

    python3 data_peers.py tcp|fastapi|grpc PORT BYTES
"""

import socket
import struct
import sys


def payload(size):
    import numpy

    return memoryview(numpy.arange(size // 4, dtype=numpy.float32)).cast("B")


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

    data = bytes(payload(size))
    app = FastAPI()

    @app.get("/array")
    async def array(n: int):
        return Response(data[:n], media_type="application/octet-stream")

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


def grpc(port, size):
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    data = bytes(payload(size))
    chunks = [data[at : at + 1048576] for at in range(0, size, 1048576)]
    methods = {
        "Array": grpc.unary_unary_rpc_method_handler(lambda request, _: data[: int(request)]),
        "Chunks": grpc.unary_stream_rpc_method_handler(lambda request, _: iter(chunks)),
    }
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Data", methods),))
    server.add_insecure_port("127.0.0.1:%d" % port)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    {"tcp": tcp, "fastapi": fastapi, "grpc": grpc}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
