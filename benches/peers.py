"""The same eval as a web application, as users of these frameworks would write it, on a bare socket, and by grpcio. Compiled for
each request."""

import json
import selectors
import socket
import sys


def wsgi(environ, start_response):
    """For granian --interface wsgi."""
    ask = json.loads(environ["wsgi.input"].read())
    text = json.dumps({"value": eval(ask["expression"], {}, ask.get("locals") or {})}).encode()
    start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(text)))])
    return [text]


try:
    from fastapi import FastAPI
    from pydantic import BaseModel

    fastapi = FastAPI()

    class Ask(BaseModel):
        expression: str
        locals: dict = {}

    class Answer(BaseModel):
        value: object

    @fastapi.post("/api/eval")
    async def evaluate(ask: Ask) -> Answer:
        return Answer(value=eval(ask.expression, {}, ask.locals))

    @fastapi.get("/health")
    async def health():
        return {"status": "ok"}

except ImportError:
    pass


def lines(path):
    """JSON lines on a socket, in one process and thread, with nothing else to see to."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is listener:
                ready.register(listener.accept()[0], selectors.EVENT_READ, bytearray())
                continue
            client, begun = key.fileobj, key.data
            data = client.recv(65536)
            if not data:
                ready.unregister(client)
                client.close()
                continue
            begun += data
            *whole, rest = begun.split(b"\n")
            begun[:] = rest
            for line in whole:
                ask = json.loads(line)["payload"]
                value = eval(ask["expression"], {}, ask.get("locals") or {})
                client.sendall(json.dumps({"result": {"value": value}}).encode() + b"\n")


def grpc(port):
    """grpcio's synchronous server, with one thread. The message is short, so its bytes are taken apart by hand."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def evaluate(request, _):
        text = json.dumps(eval(request.decode(), {}, {})).encode()
        return b"\x0a" + bytes([len(text)]) + text

    method = grpc.unary_unary_rpc_method_handler(evaluate, request_deserializer=lambda message: message[2:])
    handlers = grpc.method_handlers_generic_handler("beep.python.runtime.PythonService", {"Evaluate": method})
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((handlers,))
    server.add_insecure_port("127.0.0.1:" + port)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    {"lines": lines, "grpc": grpc}[sys.argv[1]](sys.argv[2])
