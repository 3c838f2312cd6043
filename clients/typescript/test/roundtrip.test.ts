/** Values of all kinds and shapes, to Python and back: those of one seed, or of `BEEP_TEST_SEED`. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { ByteArray, type Client, Complex, connect, DateOnly, DateTime, Decimal, FrozenSet, TimeDelta, Tuple, Uuid } from "../src/index.js";
import { TestServer } from "./server.js";

const ROUNDS = 300;
const MAX_DEPTH = 4;

/** Numbers that look random, the same for the same seed (mulberry32). */
function generator(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return (((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below;
    };
}

class Values {
    constructor(private readonly random: (below: number) => number) {}

    any(depth = 0): unknown {
        const containers = [
            () => this.items(() => this.any(depth + 1)),
            () => Tuple.from(this.items(() => this.any(depth + 1))),
            () => Object.fromEntries(this.items(() => [this.text(), this.any(depth + 1)])),
            // With text alone for keys a dict comes back as an object.
            () => new Map<unknown, unknown>([[null, 0], ...this.items((): [unknown, unknown] => [this.key(), this.any(depth + 1)])]),
            () => new Set(this.items(() => this.key())),
            () => new FrozenSet(this.items(() => this.key())),
        ];
        const leaves = [
            () => null, () => this.random(2) < 1, () => this.text(), () => this.number(), () => this.number(), () => this.big(),
            () => this.bytes(), () => new ByteArray(this.bytes()), () => new Complex(this.number(), this.number()),
            () => new Decimal(`${String(this.int(1000))}.${String(this.int(100))}`), () => new TimeDelta(this.int(1000), this.int(86_400), this.int(1_000_000)),
            () => new DateOnly(`20${this.two(100)}-0${String(this.int(9) + 1)}-1${String(this.int(10))}`),
            () => new DateTime(`20${this.two(100)}-11-21T${this.two(24)}:${this.two(60)}:00.${String(this.int(899_999) + 100_000)}+0${String(this.int(10))}:00`),
            () => new Uuid("00000000-0000-4000-8000-".concat(String(this.int(1e9)).padStart(12, "0"))),
        ];
        const made = depth < MAX_DEPTH && this.random(3) < 1 ? containers : leaves;
        return made[this.int(made.length)]?.();
    }

    private items<T>(make: () => T): T[] {
        return Array.from({ length: this.int(5) }, make);
    }

    /** What Python can have as a key, and JavaScript too: by its value. */
    private key(): unknown {
        return this.random(2) < 1 ? this.text() : this.int(1000) + 2;
    }

    private text(): string {
        const pieces = ["", "a", "$tuple", "$handle", "é", "😀", "\0", "\ud800", '"', "\\", "\u2028", "__proto__", "constructor", "1"];
        return this.items(() => pieces[this.int(pieces.length)] ?? "").join("");
    }

    private number(): number {
        const special = [0, -0, 1.5, NaN, Infinity, -Infinity, 5e-324, 1.7976931348623157e308, Number.MAX_SAFE_INTEGER, -1, 1e16, 2 ** 60];
        return this.random(2) < 1 ? (special[this.int(special.length)] ?? 0) : this.random(2e6) - 1e6;
    }

    private big(): bigint {
        return (2n ** 53n + BigInt(this.int(1e9))) ** BigInt(this.int(5) + 1) * (this.random(2) < 1 ? 1n : -1n);
    }

    private bytes(): Uint8Array {
        return Uint8Array.from({ length: this.int(20) }, () => this.int(256));
    }

    private int(below: number): number {
        return Math.floor(this.random(below));
    }

    private two(below: number): string {
        return String(this.int(below)).padStart(2, "0");
    }
}

describe("values of a seed", () => {
    let server: TestServer;
    let client: Client;

    before(async () => {
        server = await TestServer.start();
        client = await connect(server.url("pipe"), { bigints: true });
    });
    after(async () => {
        client.close();
        await server.remove();
    });

    it("come back as they are", async () => {
        const seed = Number(process.env["BEEP_TEST_SEED"] ?? 20261204);
        const values = new Values(generator(seed));
        for (let round = 0; round < ROUNDS; round += 1) {
            const it = values.any();
            assert.deepStrictEqual(await client.eval("it", { locals: { it } }), it, `round ${String(round)} of BEEP_TEST_SEED=${String(seed)}`);
        }
    });
});
