"""gRPC by Google's grpcio, with the messages that the server's reflection describes, where these can be imported."""

import functools
import json

from wire import EVENT_RPCS, RPCS, TIMEOUT, Lost, Refused

try:
    import grpc
    from google.protobuf import descriptor_pool
    from google.protobuf.json_format import ParseDict
    from google.protobuf.message_factory import GetMessageClass
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    from grpc_status import rpc_status
except ImportError:
    grpc = None

PACKAGE = "beep.python.runtime."
# What HTTP has without a name around it.
FLAT = ("description_json", "inspection_json", "info_json", "handle")
CHUNK = 100_000


def connect(address):
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    return grpc.insecure_channel("%s:%d" % address, options=options)


@functools.cache
def rpcs(address):
    """The methods of the server by service and name."""
    with connect(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)
        services = [pool.FindServiceByName(name) for name in database.get_services() if name.startswith(PACKAGE)]
        return {f"{service.name}/{method.name}": method for service in services for method in service.methods}


class Grpc:
    name = "grpc"

    def __init__(self, server):
        self.address, self.channel = server.rpc, None

    def knows(self, operation):
        return True

    def close(self):
        if self.channel:
            self.channel.close()
        self.channel = None

    def start(self, rpc, request, options):
        """Calls it; returns the answer, or what iterates over the messages of a stream."""
        method = rpcs(self.address)[rpc]
        self.channel = self.channel or connect(self.address)
        make = getattr(self.channel, f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}")
        call = make(
            f"/{PACKAGE}{rpc}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        try:
            return call(request, metadata=metadata(options), timeout=options["timeoutMs"] / 1000 if "timeoutMs" in options else TIMEOUT)
        except grpc.RpcError as error:
            raise self.failure(error, options) from error

    def message(self, rpc, body):
        kind = rpcs(self.address)[rpc].input_type
        if "options_json" in kind.fields_by_name:
            body = {"options": body}
        names = {field.json_name for field in kind.fields}
        return ParseDict({key: value for key, value in body.items() if key in names} | {
            key + "Json": json.dumps(value) for key, value in body.items() if key not in names
        }, GetMessageClass(kind)())  # fmt: skip

    def messages(self, rpc, body, options):
        stream = self.start(rpc, self.message(rpc, body), options)
        try:
            yield from stream
        except grpc.RpcError as error:
            raise self.failure(error, options) from error
        finally:
            stream.cancel()

    def call(self, operation, body, options):
        rpc = RPCS[operation]
        return plain(self.start(rpc, self.message(rpc, body), options))

    def events(self, operation, body, options):
        name = None
        for event in self.messages(EVENT_RPCS.get(operation, RPCS[operation]), body, options):
            name = event.WhichOneof("event")
            value = getattr(event, name)
            if name == "error":
                raise refusal(value)
            name = name.removesuffix("_json")
            yield name, {"text": value} if name in ("stdout", "stderr") else json.loads(value)
        if name != "result":
            raise Lost(f"{operation}: the events ended without a result")

    def put(self, data, descriptor, name, options):
        rpc = RPCS["put"]
        part = GetMessageClass(rpcs(self.address)[rpc].input_type)
        parts = [part(data={**descriptor, "shape": {"sizes": descriptor["shape"]}}, name=name)]
        parts += [part(chunk=data[at : at + CHUNK]) for at in range(0, len(data), CHUNK)]
        return plain(self.start(rpc, iter(parts), options))

    def fetch(self, body, options):
        return b"".join(part.chunk for part in self.messages(RPCS["fetch"], body, options))

    def failure(self, error, options):
        """What a status says: by its details where the server sent some."""
        status = rpc_status.from_call(error)
        if status and status.details:
            details = rpcs(self.address)["EventService/Evaluate"].output_type.fields_by_name["error"].message_type
            return refusal(GetMessageClass(details).FromString(status.details[0].value))
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED and "timeoutMs" in options:
            return Refused("deadline_exceeded", {"detail": "the client's own deadline"})
        if error.code() == grpc.StatusCode.CANCELLED:
            return Refused("cancelled", {"detail": "by the client"})
        return Lost(f"{error.code()}: {error.details()}")


def metadata(options):
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items() if key != "timeoutMs"}
    if "capabilities" in options:
        texts["capabilities"] = ", ".join(options["capabilities"])
    kebab = lambda name: "".join("-" + letter.lower() if letter.isupper() else letter for letter in name)
    return [("beep-" + kebab(key.removesuffix("Id")), text) for key, text in texts.items()]


def refusal(details):
    return Refused(details.code, json.loads(details.problem_json or "{}"))


def plain(message):
    """A message with the keys that HTTP has."""
    answer = {}
    for field, value in message.ListFields():
        key = field.json_name
        if field.name.endswith("_json"):
            key, value = key.removesuffix("Json"), json.loads(value)
        elif field.message_type and not hasattr(value, "ListFields"):
            value = [list(each.values) if each.DESCRIPTOR.name == "FloatArray" else plain(each) for each in value]
        elif field.message_type:
            value = plain(value)
        elif not isinstance(value, (str, bytes, int, float)):
            value = list(value)
        if field.name in FLAT:
            answer |= {"isHandle": True, **value} if field.name == "handle" else value
        else:
            answer[key] = value
    return answer
