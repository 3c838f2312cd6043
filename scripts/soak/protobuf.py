"""Messages of gRPC as dictionaries, by what a .proto says: `Schema(path)` reads one, so that a client needs no generated code."""

import re
import struct

FIELD = re.compile(r"(?:(optional|repeated) )?([\w.]+) (\w+) = (\d+);")
RPC = re.compile(r"rpc (\w+)\((stream )?(\w+)\) returns \((stream )?(\w+)\);")
VARINTS = {"bool", "uint32", "uint64", "int32", "int64"}


class Schema:
    def __init__(self, path):
        text = re.sub(r"//[^\n]*", "", path.read_text())
        self.package = re.search(r"package ([\w.]+);", text).group(1)
        self.messages, self.rpcs = {}, {}
        for name, block in re.findall(r"^message (\w+) \{(.*?)^\}", text.replace("{}", "{\n}"), re.S | re.M):
            self.messages[name] = {field: (int(number), kind, repeated == "repeated") for repeated, kind, field, number in FIELD.findall(block)}
        for service, block in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.S | re.M):
            for rpc, takes_stream, takes, gives_stream, gives in RPC.findall(block):
                self.rpcs[f"{service}/{rpc}"] = (takes, bool(takes_stream), gives, bool(gives_stream))

    def encode(self, message, values):
        out = bytearray()
        for field, (number, kind, repeated) in self.messages[message].items():
            if values.get(field) is None:
                continue
            for value in values[field] if repeated else [values[field]]:
                out += self._encode_one(number, kind, value)
        return bytes(out)

    def _encode_one(self, number, kind, value):
        if kind in VARINTS:
            return varint(number << 3) + varint(int(value))
        if kind == "float":
            return varint(number << 3 | 5) + struct.pack("<f", value)
        if kind == "string":
            value = value.encode()
        elif kind != "bytes":
            value = self.encode(kind, value)
        return varint(number << 3 | 2) + varint(len(value)) + value

    def decode(self, message, data):
        fields = {number: (field, kind, repeated) for field, (number, kind, repeated) in self.messages[message].items()}
        values, at = {}, 0
        while at < len(data):
            tag, at = read_varint(data, at)
            wire = tag & 7
            if wire == 0:
                raw, at = read_varint(data, at)
            elif wire == 2:
                length, at = read_varint(data, at)
                raw, at = data[at : at + length], at + length
            else:
                width = {1: 8, 5: 4}[wire]
                raw, at = data[at : at + width], at + width
            if tag >> 3 in fields:
                field, kind, repeated = fields[tag >> 3]
                found = self._decode_one(kind, wire, raw)
                if repeated:
                    values.setdefault(field, []).extend(found)
                else:
                    values[field] = found[-1]
        return values

    def _decode_one(self, kind, wire, raw):
        if kind in VARINTS:
            return [bool(each) if kind == "bool" else each for each in ([raw] if wire == 0 else unpacked(raw))]
        if kind == "float":
            return [each for (each,) in struct.iter_unpack("<f", raw)]
        if kind == "string":
            return [raw.decode()]
        return [raw if kind == "bytes" else self.decode(kind, raw)]


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def unpacked(raw):
    at = 0
    while at < len(raw):
        number, at = read_varint(raw, at)
        yield number
