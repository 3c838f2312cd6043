/** The options of data that go beside JSON. */

import type { CallOptions } from "./options.js";

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
