"""gRPC by Google's grpcio, where that can be imported, with messages by protobuf.py."""

import json

from wire import EVENT_RPCS, RPCS, TIMEOUT, Lost, Refused, camel, snake

try:
    import grpc
except ImportError:
    grpc = None

METADATA = {
    "session": "beep-session", "requestId": "beep-request", "graceMs": "beep-grace-ms", "limits": "beep-limits",
    "leaseMs": "beep-lease-ms", "values": "beep-values", "capabilities": "beep-capabilities", "callback": "beep-callback",
    "cancelOnDisconnect": "beep-cancel-on-disconnect", "isolated": "beep-isolated",
}
# What HTTP has without a name around it.
FLAT = ("description_json", "inspection_json", "info_json", "handle")
CHUNK = 100_000


class Grpc:
    name = "grpc"

    def __init__(self, server):
        self.server, self.schema = server, server.schema
        self.channel = None

    def knows(self, operation):
        return operation in RPCS

    def close(self):
        if self.channel:
            self.channel.close()
        self.channel = None

    def stub(self, rpc):
        takes, takes_stream, gives, gives_stream = self.schema.rpcs[rpc]
        if self.channel is None:
            options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
            self.channel = grpc.insecure_channel("%s:%d" % self.server.rpc, options=options)
        make = getattr(self.channel, f"{'stream' if takes_stream else 'unary'}_{'stream' if gives_stream else 'unary'}")
        encode = lambda values: self.schema.encode(takes, values)
        decode = lambda data: self.schema.decode(gives, data)
        return make(f"/{self.schema.package}.{rpc}", request_serializer=encode, response_deserializer=decode)

    def message(self, rpc, body):
        fields = self.schema.messages[self.schema.rpcs[rpc][0]]
        if "options_json" in fields:
            return {"options_json": json.dumps(body)}
        return {snake(key): value for key, value in body.items() if snake(key) in fields} | {
            snake(key) + "_json": json.dumps(value) for key, value in body.items() if snake(key) + "_json" in fields
        }

    def settings(self, options):
        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items()}
        if "capabilities" in options:
            texts["capabilities"] = ", ".join(options["capabilities"])
        metadata = [(METADATA[key], text) for key, text in texts.items() if key in METADATA]
        return {"metadata": metadata, "timeout": options["timeoutMs"] / 1000 if "timeoutMs" in options else TIMEOUT}

    def call(self, operation, body, options):
        rpc = RPCS[operation]
        try:
            return plain(self.stub(rpc)(self.message(rpc, body), **self.settings(options)))
        except grpc.RpcError as error:
            raise self.failure(error, options) from error

    def events(self, operation, body, options):
        rpc = EVENT_RPCS.get(operation, RPCS[operation])
        stream = self.stub(rpc)(self.message(rpc, body), **self.settings(options))
        finished = False
        try:
            for event in stream:
                ((name, value),) = [(name, value) for name, value in event.items() if name != "omitted_bytes"]
                if name == "error":
                    raise Refused(value.get("code"), json.loads(value.get("problem_json", "{}")))
                if name.endswith("_json"):
                    name, value = name[:-5], json.loads(value)
                    finished = finished or name == "result"
                yield name, {"text": value} if isinstance(value, str) else value
            if not finished:
                raise Lost(f"{rpc}: the events ended without a result")
        except grpc.RpcError as error:
            raise self.failure(error, options) from error
        finally:
            stream.cancel()

    def put(self, data, descriptor, name, options):
        shape = {"shape": {"sizes": descriptor["shape"]}} if "shape" in descriptor else {}
        parts = [{"data": {**descriptor, **shape}, "name": name}]
        parts += [{"chunk": data[at : at + CHUNK]} for at in range(0, len(data), CHUNK)]
        try:
            return plain(self.stub(RPCS["put"])(iter(parts), **self.settings(options)))
        except grpc.RpcError as error:
            raise self.failure(error, options) from error

    def fetch(self, body, options):
        try:
            stream = self.stub(RPCS["fetch"])(self.message(RPCS["fetch"], body), **self.settings(options))
            return b"".join(part.get("chunk", b"") for part in stream)
        except grpc.RpcError as error:
            raise self.failure(error, options) from error

    def failure(self, error, options):
        """What a status says: by its details where the server sent some."""
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                return self.refusal(value)
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and "timeoutMs" in options:
            return Refused("deadline_exceeded", {"detail": "the client's own deadline"})
        if error.code() == grpc.StatusCode.CANCELLED:
            return Refused("cancelled", {"detail": "by the client"})
        return Lost(f"{error.code()}: {error.details()}")

    def refusal(self, status):
        status_fields = {"details": (3, "Any", True)}
        self.schema.messages.setdefault("Status", status_fields)
        self.schema.messages.setdefault("Any", {"value": (2, "bytes", False)})
        detail = self.schema.decode("Status", status)["details"][0]
        details = self.schema.decode("ErrorDetails", detail["value"])
        return Refused(details.get("code"), json.loads(details.get("problem_json", "{}")))


def plain(message):
    """A message with the keys that HTTP has."""
    answer = {}
    for key, value in message.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = [each["values"] if list(each) == ["values"] else plain(each) for each in value]
        if key.endswith("_json"):
            value = json.loads(value)
        if key in FLAT:
            answer |= value if key != "handle" else {"isHandle": True, **plain(value)}
        else:
            answer[camel(key.removesuffix("_json"))] = value
    return answer

