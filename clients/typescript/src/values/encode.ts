/** From values of JavaScript to the exact form of the wire. */

import { EncodeError } from "../errors.js";
import { toBase64 } from "./base64.js";
import {
    ByteArray, Complex, DateOnly, DateTime, Decimal, ELLIPSIS, Float, FrozenSet, PythonEnum, PythonPath, REFERENCE, type Reference, Slice,
    TimeDelta, TimeOnly, Tuple, Uuid, type Zoned,
} from "./classes.js";
import { hasLoneSurrogate, toSurrogatePass } from "./surrogates.js";

/** Takes a function that stands among the values, and says how the wire names it. */
export type TakeFunction = (given: object, key: string | undefined) => unknown;

const MAX_DEPTH = 1000;

export function encode(value: unknown, takeFunction: TakeFunction = refuse): unknown {
    return new Encoder(takeFunction).encode(value, undefined, 0);
}

function refuse(): never {
    throw new EncodeError("a function can stand for a Python function only among the arguments and locals of a call");
}

class Encoder {
    constructor(private readonly takeFunction: TakeFunction) {}

    encode(value: unknown, key: string | undefined, depth: number): unknown {
        if (depth > MAX_DEPTH) throw new EncodeError(`a value is nested deeper than ${String(MAX_DEPTH)} levels, or contains itself`);
        switch (typeof value) {
            case "string":
                return hasLoneSurrogate(value) ? { $str: toBase64(toSurrogatePass(value)) } : value;
            case "number":
                return encodeNumber(value);
            case "boolean":
                return value;
            case "undefined":
                return null;
            case "bigint":
                return { $int: value.toString() };
            case "function":
                return this.takeFunction(value, key);
            case "symbol":
                if (value === ELLIPSIS) return { $ellipsis: true };
                throw new EncodeError("a symbol has no form in Python");
            case "object":
                return value === null ? null : this.encodeObject(value, key, depth);
        }
    }

    private encodeObject(value: object, key: string | undefined, depth: number): unknown {
        if (Array.isArray(value)) {
            const items = this.items(value, depth);
            return value instanceof Tuple ? { $tuple: items } : items;
        }
        const prototype: unknown = Object.getPrototypeOf(value);
        if (prototype === Object.prototype || prototype === null) return this.plain(value, depth);
        if (REFERENCE in value) return (value as Reference)[REFERENCE]();
        if (value instanceof Set) {
            return { [value instanceof FrozenSet ? "$frozenset" : "$set"]: this.items(value, depth) };
        }
        if (value instanceof Map) return this.pairs(value.entries(), depth);
        if (value instanceof PythonEnum) {
            return { $enum: [value.module, value.name, this.encode(value.value, undefined, depth + 1)] };
        }
        const leaf = encodeLeaf(value);
        if (leaf !== undefined) return leaf;
        if ("isCallback" in value) return this.takeFunction(value, key);
        // A value of another realm, as of a frame, has an Object.prototype of its own.
        if (Object.getPrototypeOf(prototype) === null && "hasOwnProperty" in value) return this.plain(value, depth);
        throw new EncodeError(`an instance of ${value.constructor.name} has no form in Python: give a plain object of its fields`);
    }

    private items(items: Iterable<unknown>, depth: number): unknown[] {
        const encoded: unknown[] = [];
        for (const item of items) encoded.push(this.encode(item, undefined, depth + 1));
        return encoded;
    }

    private plain(value: object, depth: number): unknown {
        const keys = Object.keys(value);
        if (keys.some((key) => key.startsWith("$") || hasLoneSurrogate(key))) return this.pairs(Object.entries(value), depth);
        // Without a prototype `__proto__` is a key like others.
        const encoded = Object.create(null) as Record<string, unknown>;
        for (const key of keys) encoded[key] = this.encode((value as Record<string, unknown>)[key], key, depth + 1);
        return encoded;
    }

    private pairs(entries: Iterable<readonly [unknown, unknown]>, depth: number): unknown {
        const pairs: unknown[] = [];
        for (const [key, item] of entries) {
            const name = typeof key === "string" ? key : undefined;
            pairs.push([this.encode(key, undefined, depth + 1), this.encode(item, name, depth + 1)]);
        }
        return { $dict: pairs };
    }
}

function encodeNumber(value: number): unknown {
    if (Number.isSafeInteger(value)) return Object.is(value, -0) ? { $float: "-0.0" } : value;
    // Beyond that a number is a float: it is not known which int it would be.
    if (!Number.isFinite(value)) return { $float: String(value) };
    return Number.isInteger(value) ? { $float: String(value) } : value;
}

function encodeFloat(value: number): unknown {
    return { $float: Object.is(value, -0) ? "-0.0" : String(value) };
}

function encodeLeaf(value: object): unknown {
    if (value instanceof ByteArray) return { $bytearray: toBase64(value) };
    if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
    if (value instanceof ArrayBuffer) return { $bytes: toBase64(new Uint8Array(value)) };
    if (value instanceof Float) return encodeFloat(value.value);
    if (value instanceof Complex) return { $complex: [encodeFloat(value.real), encodeFloat(value.imaginary)] };
    if (value instanceof Decimal) return { $decimal: value.text };
    if (value instanceof Date) return { $datetime: value.toISOString() };
    if (value instanceof DateTime) return { $datetime: value.text, ...zoned(value) };
    if (value instanceof DateOnly) return { $date: value.text };
    if (value instanceof TimeOnly) return { $time: value.text, ...zoned(value) };
    if (value instanceof TimeDelta) return { $timedelta: [value.days, value.seconds, value.microseconds] };
    if (value instanceof Uuid) return { $uuid: value.text };
    if (value instanceof PythonPath) return { $path: value.text };
    if (value instanceof Slice) {
        return { $slice: [value.start, value.stop, value.step].map((part) => (part === null ? null : encodeInt(part))) };
    }
    if (value instanceof Number || value instanceof String || value instanceof Boolean) return value.valueOf();
    if (ArrayBuffer.isView(value)) {
        throw new EncodeError(`a ${value.constructor.name} does not travel among values: \`put\` it first, and give its handle`);
    }
    return undefined;
}

function encodeInt(value: number | bigint): unknown {
    if (typeof value === "bigint") return { $int: value.toString() };
    if (!Number.isSafeInteger(value)) throw new EncodeError(`${String(value)} is no int: the parts of a slice are ints or null`);
    return value;
}

function zoned({ fold, zone }: Zoned): Zoned {
    return { ...(fold === undefined ? {} : { fold }), ...(zone === undefined ? {} : { zone }) };
}
