/** Options of streams, executions, data and sessions. */

import type { ArgumentOptions, CallOptions, EvalOptions } from "./options.js";

export interface StreamOptions extends Omit<EvalOptions, "isolated" | "asHandle">, Pick<ArgumentOptions, "kwargs"> {
    /** Of a handle: iterates over what this method returns. */
    readonly method?: string;
    readonly args?: readonly unknown[];
    /** Takes what the generator returns at its end. */
    readonly onReturn?: (value: unknown) => void;
    /** Whether handles of items outlive the stream. */
    readonly keep?: boolean;
}

export interface ExecuteOptions extends Omit<EvalOptions, "isolated"> {
    /** Names whose objects come with the result. */
    readonly outputs?: readonly string[];
    /** Which further events are told: progress and log records as the code tells them. Both are, unless this is false. */
    readonly progress?: boolean;
    readonly log?: boolean;
    /** Whether output that is no UTF-8 comes as `bytes`. */
    readonly rawOutput?: boolean;
}

export interface FetchOptions extends CallOptions {
    /** What is taken; an object of another kind is `not_representable`. */
    readonly kind?: "array" | "table" | "bytes";
    /** `npy`, `arrow-stream` or `png`, as bytes; `raw` otherwise. */
    readonly format?: "raw" | "npy" | "arrow-stream" | "png";
    /** Names of the expression. */
    readonly locals?: Readonly<Record<string, unknown>>;
}

export interface PutOptions extends CallOptions {
    /** The name that the datum gets in the session; without it the answer is a handle. */
    readonly name?: string;
    /** Of bytes: what they hold. */
    readonly format?: "raw" | "npy" | "arrow-stream" | "png";
}

/** The options of a session that is made. */
export interface SessionOptions {
    readonly environment?: string;
    readonly python?: string;
    readonly env?: Readonly<Record<string, string | null>>;
    readonly setup?: string;
    readonly preload?: readonly string[];
    readonly idleTimeoutMs?: number;
    readonly drainMs?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, number>>;
}

/** What a server tells of a session. */
export interface SessionInfo {
    readonly sessionId: string;
    readonly sessionEpoch: number;
    readonly pid?: number;
    readonly calls?: number;
    readonly python?: string;
    readonly environment?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [key: string]: unknown;
}

export interface InterruptOptions {
    readonly graceMs?: number;
    /** Whether the calls that wait are cancelled as well. */
    readonly abortQueued?: boolean;
    /** One interrupt, as Ctrl-C: code that catches it goes on. */
    readonly once?: boolean;
}
