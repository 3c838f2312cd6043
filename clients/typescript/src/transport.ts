/** What carries calls to a server. */

import type { Problem } from "./errors.js";
import type { Operation } from "./operations.js";

/** What is sent for one operation. */
export interface Call {
    readonly operation: Operation;
    /** The body, in the exact form. */
    readonly body: Record<string, unknown>;
    /** The call options, as the wire has them. */
    readonly options: Record<string, unknown>;
    /** The session of a route that has one. */
    readonly sessionId?: string;
    /** The datum of a `put`. */
    readonly datum?: Datum;
}

/** Bytes, an array or a table. */
export interface Datum {
    readonly kind?: "array" | "table" | "bytes";
    readonly dtype?: string;
    readonly shape?: readonly number[];
    readonly format?: string;
    readonly bytes: Uint8Array;
}

/** An event as the wire has it. */
export interface WireEvent {
    readonly event: string;
    readonly [key: string]: unknown;
}

export interface Transport {
    readonly endpoint: string;
    /** Carries out a call, and gives its answer as parsed JSON. */
    call(call: Call): Promise<unknown>;
    /** Fetches a datum. */
    fetch(call: Call): Promise<Datum>;
    /** Carries out a call with events. The last is `result` or `error`. */
    events(call: Call): AsyncIterable<WireEvent>;
    close(): void;
}

/** The problem of an event that says that the call failed. */
export function problemOf(event: WireEvent): Problem {
    return event as unknown as Problem;
}
