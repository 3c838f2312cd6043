/** Arrays and bytes, which go beside JSON, at the speed of memory. */

import { BeepPythonError, EncodeError } from "./errors.js";
import type { Datum } from "./transport.js";

export type TypedArray =
    | Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array
    | Float32Array | Float64Array;

type TypedArrayClass = new (buffer: ArrayBuffer, offset?: number, length?: number) => TypedArray;

const CLASSES: Readonly<Record<string, TypedArrayClass & { BYTES_PER_ELEMENT: number }>> = {
    "|i1": Int8Array, "|u1": Uint8Array, "<i2": Int16Array, "<u2": Uint16Array, "<i4": Int32Array, "<u4": Uint32Array,
    "<i8": BigInt64Array, "<u8": BigUint64Array, "<f4": Float32Array, "<f8": Float64Array,
};

/** An array of one type of items, of any number of dimensions, in C order. */
export class NdArray {
    constructor(
        /** The type of its items, as numpy's array protocol spells it: `<f8`. */
        readonly dtype: string,
        readonly shape: readonly number[],
        readonly bytes: Uint8Array,
    ) {}

    /** The array of these items, which are not copied. */
    static of(items: TypedArray, shape: readonly number[] = [items.length]): NdArray {
        const bytes = new Uint8Array(items.buffer, items.byteOffset, items.byteLength);
        if (shape.reduce((product, length) => product * length, 1) !== items.length) {
            throw new EncodeError(`${String(items.length)} items do not make an array of the shape (${shape.join(", ")})`);
        }
        return new NdArray(dtypeOf(items), shape, bytes);
    }

    /** The items as a typed array, over the same memory where its alignment allows. */
    get items(): TypedArray {
        const found = CLASSES[this.dtype];
        if (!found) throw new BeepPythonError("not_representable", `JavaScript has no typed array of the type ${this.dtype}: read \`bytes\`, or convert it in Python`);
        const { buffer, byteOffset, byteLength } = this.bytes;
        const size = found.BYTES_PER_ELEMENT;
        return byteOffset % size === 0
            ? new found(buffer as ArrayBuffer, byteOffset, byteLength / size)
            : new found(this.bytes.slice().buffer, 0, byteLength / size);
    }
}

function dtypeOf(items: TypedArray): string {
    if (items instanceof Uint8ClampedArray) return "|u1";
    for (const [dtype, type] of Object.entries(CLASSES)) if (items instanceof type) return dtype;
    throw new EncodeError(`a ${(items as object).constructor.name} is no typed array that Python knows`);
}

/** What `put` takes: bytes, or an array. */
export type Puttable = Uint8Array | ArrayBuffer | DataView | TypedArray | NdArray;

/** The datum of what a program gives. A `Uint8Array` is bytes; `NdArray.of` makes an array of it. */
export function datumOf(data: Puttable, format = "raw"): Datum {
    if (data instanceof NdArray) return { kind: "array", dtype: data.dtype, shape: data.shape, format, bytes: data.bytes };
    if (data instanceof ArrayBuffer) return { kind: "bytes", format, bytes: new Uint8Array(data) };
    if (data instanceof Uint8Array) return format === "raw" ? { kind: "bytes", format, bytes: data } : { format, bytes: data };
    if (data instanceof DataView) return { kind: "bytes", format, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
    if (ArrayBuffer.isView(data)) return datumOf(NdArray.of(data), format);
    throw new EncodeError("only bytes, typed arrays and instances of NdArray can be put: other values go as arguments, or by `wrap`");
}

/** What a fetched datum is for a program. */
export function readDatum(datum: Datum): NdArray | Uint8Array {
    const { dtype, shape } = datum;
    if (dtype !== undefined && shape !== undefined && (datum.format ?? "raw") === "raw") return new NdArray(dtype, shape, datum.bytes);
    return datum.bytes;
}
