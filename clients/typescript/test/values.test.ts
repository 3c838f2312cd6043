/** Values without a server: what is sent, and what is read. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { BeepPythonError, ByteArray, DateTime, Decimal, Float, NdArray, TimeDelta, Tuple } from "../src/index.js";
import { decode } from "../src/values/decode.js";
import { encode } from "../src/values/encode.js";

function coded(given: unknown): (error: unknown) => boolean {
    return (error) => error instanceof BeepPythonError && error.code === given;
}

const sent = (value: unknown): unknown => JSON.parse(JSON.stringify(encode(value)));

describe("values that are sent", () => {
    it("keeps numbers what they are", () => {
        assert.deepEqual(sent([1, 1.5, -0, NaN, -Infinity]), [1, 1.5, { $float: "-0.0" }, { $float: "NaN" }, { $float: "-Infinity" }]);
        assert.deepEqual(sent(2 ** 60), { $float: "1152921504606847000" }, "a number beyond 2^53 is a float");
        assert.deepEqual(sent(2n ** 60n), { $int: "1152921504606846976" });
        assert.deepEqual(sent(new Float(1)), { $float: "1" });
    });

    it("escapes keys that are tags, and keeps __proto__ a key", () => {
        assert.deepEqual(sent({ $handle: "x" }), { $dict: [["$handle", "x"]] });
        const given = JSON.parse('{"__proto__": {"a": 1}}') as object;
        assert.equal(JSON.stringify(encode(given)), '{"__proto__":{"a":1}}');
    });

    it("takes undefined for None, and a Date for a moment in UTC", () => {
        assert.deepEqual(sent([undefined, { a: undefined }]), [null, { a: null }]);
        assert.deepEqual(sent(new Date(0)), { $datetime: "1970-01-01T00:00:00.000Z" });
    });

    it("refuses what has no form, and says why", () => {
        class Own {
            field = 1;
        }
        assert.throws(() => encode(new Own()), /an instance of Own has no form in Python/);
        assert.throws(() => encode(new Float64Array(1)), /`put` it first/);
        assert.throws(() => encode(() => 1), coded("not_encodable"));
        assert.throws(() => encode(Symbol("a")), coded("not_encodable"));
        const endless: unknown[] = [];
        endless.push(endless);
        assert.throws(() => encode(endless), /contains itself/);
    });
});

describe("values that are read", () => {
    it("never reads another int", () => {
        assert.throws(() => decode([{ $int: "9007199254740993" }], false), (error: unknown) => {
            assert.ok(coded("unsafe_integer")(error));
            assert.match((error as Error).message, /9007199254740993.*bigints: true/);
            return true;
        });
        assert.deepEqual(decode([{ $int: "9007199254740993" }], true), [9007199254740993n]);
    });

    it("reads keys of any kind", () => {
        const map = decode({ $dict: [[1, "a"], ["1", "b"], [null, "c"]] }, false);
        assert.deepEqual(decode({ $dict: [["$handle", "x"]] }, false), { $handle: "x" });
        assert.deepEqual(map, new Map<unknown, unknown>([[1, "a"], ["1", "b"], [null, "c"]]));
        const plain = decode(JSON.parse('{"__proto__": {"$tuple": []}}'), false) as object;
        assert.deepEqual(Object.keys(plain), ["__proto__"]);
        assert.equal(Object.getPrototypeOf(plain), Object.prototype, "a key is no prototype");
    });

    it("keeps tuples apart from lists", () => {
        const tuple = decode({ $tuple: [1, 2] }, false);
        assert.ok(tuple instanceof Tuple && Array.isArray(tuple));
        assert.ok(!(tuple.map(String) instanceof Tuple));
        assert.deepEqual(encode(tuple), { $tuple: [1, 2] });
    });

    it("gives moments and durations as JavaScript counts them", () => {
        assert.equal(new DateTime("2026-11-21T09:30:00.000001+01:00").toDate().toISOString(), "2026-11-21T08:30:00.000Z");
        assert.equal(new TimeDelta(-1, 5, 500).toMilliseconds(), -86_394_999.5);
        assert.equal(new Decimal("1.10").toNumber(), 1.1);
        assert.equal(JSON.stringify(new Decimal("1.10")), '"1.10"');
    });

    it("refuses a tag that it does not know", () => {
        assert.throws(() => decode({ $later: 1 }, false), /\$later, which this client does not know/);
    });
});

describe("arrays", () => {
    it("have the memory of what they are made of", () => {
        const items = new Float64Array([1, 2, 3, 4]);
        const array = NdArray.of(items, [2, 2]);
        assert.deepEqual([array.dtype, array.shape, array.bytes.buffer], ["<f8", [2, 2], items.buffer]);
        assert.equal((array.items as Float64Array).buffer, items.buffer);
        assert.throws(() => NdArray.of(items, [3]), /4 items do not make an array of the shape \(3\)/);
    });

    it("are copied where their memory is not aligned", () => {
        const bytes = new Uint8Array(9).subarray(1);
        assert.deepEqual(new NdArray("<f8", [1], bytes).items, new Float64Array([0]));
        assert.throws(() => new NdArray("<c16", [0], bytes).items, /no typed array of the type <c16/);
        assert.deepEqual(sent(new ByteArray([255])), { $bytearray: "/w==" });
    });
});
