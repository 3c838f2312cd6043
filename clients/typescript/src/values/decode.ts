/** From the exact form of the wire to values of JavaScript. */

import { DecodeError } from "../errors.js";
import { fromBase64 } from "./base64.js";
import {
    ByteArray, Complex, DateOnly, DateTime, Decimal, FrozenSet, PythonEnum, PythonPath, TimeDelta, TimeOnly, Tuple, Uuid,
} from "./classes.js";
import { fromSurrogatePass } from "./surrogates.js";

type Json = Record<string, unknown>;

/** Reads a value. Arrays and objects are changed in place: what was parsed is not shared. */
export function decode(value: unknown, bigints: boolean): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return decodeItems(value, bigints);
    const object = value as Json;
    for (const key in object) {
        // A tag is the first key of its object, and no other key begins with `$`.
        if (key.startsWith("$")) return decodeTag(key, object, bigints);
        const item = object[key];
        if (typeof item === "object" && item !== null) object[key] = decode(item, bigints);
    }
    return object;
}

function decodeItems(items: unknown[], bigints: boolean): unknown[] {
    for (let at = 0; at < items.length; at += 1) {
        const item = items[at];
        if (typeof item === "object" && item !== null) items[at] = decode(item, bigints);
    }
    return items;
}

function decodeTag(tag: string, object: Json, bigints: boolean): unknown {
    const content = object[tag];
    switch (tag) {
        case "$int":
            return decodeInt(text(content, tag), bigints);
        case "$float":
            return decodeFloat(content);
        case "$complex": {
            const [real, imaginary] = list(content, tag).map(decodeFloat);
            return new Complex(real ?? 0, imaginary ?? 0);
        }
        case "$str":
            return fromSurrogatePass(fromBase64(text(content, tag)));
        case "$bytes":
            return fromBase64(text(content, tag));
        case "$bytearray":
            return new ByteArray(fromBase64(text(content, tag)));
        case "$tuple":
            return Tuple.from(decodeItems(list(content, tag), bigints));
        case "$set":
            return new Set(decodeItems(list(content, tag), bigints));
        case "$frozenset":
            return new FrozenSet(decodeItems(list(content, tag), bigints));
        case "$dict":
            return decodePairs(list(content, tag), bigints);
        case "$enum": {
            const [module, name, value] = list(content, tag);
            return new PythonEnum(text(module, tag), text(name, tag), decode(value, bigints));
        }
        case "$timedelta": {
            const [days, seconds, microseconds] = list(content, tag);
            return new TimeDelta(Number(days), Number(seconds), Number(microseconds));
        }
        case "$decimal":
            return new Decimal(text(content, tag));
        case "$date":
            return new DateOnly(text(content, tag));
        case "$datetime":
            return new DateTime(text(content, tag), object);
        case "$time":
            return new TimeOnly(text(content, tag), object);
        case "$uuid":
            return new Uuid(text(content, tag));
        case "$path":
            return new PythonPath(text(content, tag));
        default:
            throw new DecodeError(`the server sent a value of the kind ${tag}, which this client does not know: it may need an update`);
    }
}

/** With text alone for keys, of which one begins with `$`, it is an object as others are. */
function decodePairs(pairs: unknown[], bigints: boolean): unknown {
    const entries = pairs.map((pair): [unknown, unknown] => {
        const [key, value] = list(pair, "$dict");
        return [decode(key, bigints), decode(value, bigints)];
    });
    // `fromEntries` makes a key of `__proto__`, too.
    return entries.every(([key]) => typeof key === "string") ? Object.fromEntries(entries as [string, unknown][]) : new Map(entries);
}

function decodeInt(digits: string, bigints: boolean): bigint {
    if (bigints) return BigInt(digits);
    const shown = digits.length > 40 ? `${digits.slice(0, 20)}… (${String(digits.length)} digits)` : digits;
    throw new DecodeError(
        `the result has the int ${shown}, which a number of JavaScript does not hold exactly: ask with { bigints: true } to get such ints as bigint, or for text in Python`,
        "unsafe_integer",
    );
}

function decodeFloat(content: unknown): number {
    if (typeof content === "number") return content;
    if (typeof content === "string") return Number(content);
    return Number(text((content as Json | null)?.["$float"], "$float"));
}

function text(content: unknown, tag: string): string {
    if (typeof content === "string") return content;
    throw new DecodeError(`the server sent a ${tag} without its text`);
}

function list(content: unknown, tag: string): unknown[] {
    if (Array.isArray(content)) return content;
    throw new DecodeError(`the server sent a ${tag} without its items`);
}
