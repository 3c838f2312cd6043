/** Values of the cases: what they are in JavaScript, and whether a result is one. */

import assert from "node:assert/strict";

import {
    ByteArray, callback, Complex, DateOnly, DateTime, Decimal, ELLIPSIS, Float, FrozenSet, Handle, PythonEnum, PythonPath, Slice, TimeDelta, TimeOnly,
    Tuple, Uuid,
} from "../../src/index.js";
import type { Fields } from "./cases.js";

type Saved = (name: string) => unknown;
type Tagged = (content: never, object: Fields, read: (value: unknown) => unknown) => unknown;

export function base64(text: string): Uint8Array {
    return new Uint8Array(Buffer.from(text, "base64"));
}

const TAGS: Record<string, Tagged> = {
    $int: (digits: string) => BigInt(digits),
    $float: (text: string | number) => new Float(Number(text)),
    $complex: ([real, imaginary]: unknown[], _, read) => new Complex(Number(read(real)), Number(read(imaginary))),
    $str: (text: string) => surrogates(base64(text)),
    $bytes: base64,
    $bytearray: (text: string) => new ByteArray(base64(text)),
    $tuple: (items: unknown[], _, read) => Tuple.from(items.map(read)),
    $set: (items: unknown[], _, read) => new Set(items.map(read)),
    $frozenset: (items: unknown[], _, read) => new FrozenSet(items.map(read)),
    $dict: (pairs: unknown[][], _, read) => {
        const entries = pairs.map(([key, value]): [unknown, unknown] => [read(key), read(value)]);
        return entries.every(([key]) => typeof key === "string") ? Object.fromEntries(entries as [string, unknown][]) : new Map(entries);
    },
    $decimal: (text: string) => new Decimal(text),
    $date: (text: string) => new DateOnly(text),
    $datetime: (text: string, object) => new DateTime(text, object),
    $time: (text: string, object) => new TimeOnly(text, object),
    $timedelta: ([days, seconds, microseconds]: [number, number, number]) => new TimeDelta(days, seconds, microseconds),
    $uuid: (text: string) => new Uuid(text),
    $path: (text: string) => new PythonPath(text),
    $enum: ([module, name, value]: [string, string, unknown], _, read) => new PythonEnum(module, name, read(value)),
    $slice: ([start, stop, step]: (number | null)[]) => new Slice(start ?? null, stop ?? null, step ?? null),
    $ellipsis: () => ELLIPSIS,
    $callback: ({ returns, echo, raises, evals }: Fields, _, read) =>
        callback(({ args, python }) => {
            if (typeof raises === "string") throw new Error(raises);
            if (typeof evals === "string") return python.eval(evals);
            return echo === true ? args : read(returns);
        }),
};

/** `b"a\xed\xb2\x80"` with `surrogatepass`; the cases have no more than three bytes a character. */
function surrogates(bytes: Uint8Array): string {
    const hex = Buffer.from(bytes).toString("latin1").replace(/[\xe0-\xef][\x80-\xbf]{2}/g, (three) => {
        const [a = 0, b = 0, c = 0] = Buffer.from(three, "latin1");
        return String.fromCharCode(((a & 0xf) << 12) | ((b & 0x3f) << 6) | (c & 0x3f));
    });
    return hex;
}

/** What a value of the cases is in JavaScript. `saved` finds the handles of earlier steps, `result` steps of a batch. */
export function read(value: unknown, saved: Saved, result: (index: number) => unknown = () => assert.fail("no batch")): unknown {
    const inner = (item: unknown): unknown => read(item, saved, result);
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(inner);
    const object = value as Fields;
    const tag = Object.keys(object).find((key) => key.startsWith("$"));
    if (tag === undefined) return readPlain(object, inner);
    if (tag === "$saved") return saved(String(object[tag]));
    if (tag === "$result") return result(Number(object[tag]));
    const made = TAGS[tag] ?? assert.fail(`the tag ${tag} is not known`);
    return made(object[tag] as never, object, inner);
}

function readPlain(object: Fields, inner: (value: unknown) => unknown): Fields {
    const made: Fields = {};
    for (const [key, item] of Object.entries(object)) Object.defineProperty(made, key, { value: inner(item), enumerable: true, configurable: true, writable: true });
    return made;
}

/** Whether a result is what a case expects; `"…"` matches anything. Of ints and floats JavaScript makes no difference, but for -0. */
export function matches(found: unknown, expected: unknown): boolean {
    if (expected === "…") return true;
    if (expected instanceof Float) return Object.is(found, expected.value);
    if (typeof expected !== "object" || expected === null) return Object.is(found, expected);
    if (found instanceof Handle) return isHandle(expected as Fields) && handleMatches(found, (expected as Fields)["handle"] as Fields);
    if (typeof found !== "object" || found === null || Object.getPrototypeOf(found) !== Object.getPrototypeOf(expected)) return false;
    if (found instanceof Map) return sameItems(Array.from<unknown>(found), Array.from<unknown>(expected as Map<unknown, unknown>));
    if (found instanceof Set) return sameItems([...found], [...(expected as Set<unknown>)]);
    if (Array.isArray(found) || found instanceof Uint8Array) {
        const one = Array.from<unknown>(found);
        const other = Array.from(expected as ArrayLike<unknown>);
        return one.length === other.length && other.every((item, at) => matches(one[at], item));
    }
    const [keys, wanted] = [Object.keys(found), Object.keys(expected)];
    return keys.length === wanted.length && wanted.every((key) => Object.hasOwn(found, key) && matches((found as Fields)[key], (expected as Fields)[key]));
}

function isHandle(expected: Fields): boolean {
    return Object.keys(expected).length === 1 && typeof expected["handle"] === "object";
}

/** The same items, in any order. */
function sameItems(found: unknown[], expected: unknown[]): boolean {
    const left = [...expected];
    for (const item of found) {
        const at = left.findIndex((wanted) => matches(item, wanted));
        if (at === -1) return false;
        left.splice(at, 1);
    }
    return left.length === 0;
}

export function handleMatches(found: unknown, expected: Fields): boolean {
    const properties = found as Fields;
    return found instanceof Handle && Object.entries(expected).every(([key, value]) => matches(properties[key], value));
}
