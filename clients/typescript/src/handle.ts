/// <reference lib="esnext.disposable" preserve="true" />
/** An object that a session keeps for this client. */

import type { FetchOptions } from "./data-options.js";
import type { NdArray } from "./data.js";
import type { ArgumentOptions, CallOptions, ResultOptions, StreamOptions } from "./options.js";
import type { Python } from "./python.js";
import { REFERENCE, type Reference } from "./values/classes.js";

/** What is known of an object without asking. */
export interface HandleInfo {
    readonly handleId: string;
    readonly typeName: string;
    readonly typeModule?: string;
    readonly shape?: readonly number[];
    readonly dtype?: string;
    readonly repr?: string;
}

/** What `describe` tells of an object. */
export interface Description {
    readonly typeName: string;
    readonly typeModule?: string;
    readonly repr?: string;
    readonly callable?: boolean;
    readonly doc?: string;
    readonly signature?: string;
    readonly parameters?: unknown;
    readonly result?: unknown;
    readonly length?: number;
    readonly shape?: readonly number[];
    readonly dtype?: string;
}

/** An object in Python. It can be an argument of any call, at any depth. */
export class Handle implements Reference {
    /** Releases it at the end of `await using`. Runtimes without that lack it. */
    declare readonly [Symbol.asyncDispose]: () => Promise<void>;
    readonly id: string;
    readonly typeName: string;
    /** The module of its type; undefined for builtins. */
    readonly typeModule: string | undefined;
    readonly shape: readonly number[] | undefined;
    readonly dtype: string | undefined;
    readonly repr: string | undefined;

    /** Hidden from `console.log`. */
    readonly #python: Python;

    constructor(python: Python, info: HandleInfo) {
        this.#python = python;
        this.id = info.handleId;
        this.typeName = info.typeName;
        this.typeModule = info.typeModule;
        this.shape = info.shape;
        this.dtype = info.dtype;
        this.repr = info.repr;
    }

    /** An attribute; names may be dotted. */
    get<T = unknown>(attribute: string, options?: ResultOptions): Promise<T> {
        return this.#python.getAttribute<T>(this, attribute, options);
    }

    /** Sets an attribute. */
    set(attribute: string, value: unknown, options?: CallOptions): Promise<void> {
        return this.#python.setAttribute(this, attribute, value, options);
    }

    /** Calls a method. */
    call<T = unknown>(method: string, args?: readonly unknown[], options?: ArgumentOptions): Promise<T> {
        return this.#python.call<T>(this, method, args, options);
    }

    /** Calls the object itself. */
    invoke<T = unknown>(args?: readonly unknown[], options?: ArgumentOptions): Promise<T> {
        return this.#python.invoke<T>(this, args, options);
    }

    /** `object[key]` */
    item<T = unknown>(key: unknown, options?: ResultOptions): Promise<T> {
        return this.#python.getItem<T>(this, key, options);
    }

    /** `object[key] = value` */
    setItem(key: unknown, value: unknown, options?: CallOptions): Promise<void> {
        return this.#python.setItem(this, key, value, options);
    }

    /** `del object[key]` */
    deleteItem(key: unknown, options?: CallOptions): Promise<void> {
        return this.#python.deleteItem(this, key, options);
    }

    /** `len(object)` */
    length(options?: CallOptions): Promise<number> {
        return this.#python.length(this, options);
    }

    /** `item in object` */
    has(item: unknown, options?: CallOptions): Promise<boolean> {
        return this.#python.contains(this, item, options);
    }

    /** The names of its attributes. */
    dir(options?: CallOptions): Promise<string[]> {
        return this.#python.dir(this, options);
    }

    /** Its type, documentation, signature and the like. */
    describe(options?: CallOptions): Promise<Description> {
        return this.#python.describe(this, options);
    }

    /** Its value; a `not_representable` where there is no form for it. */
    value<T = unknown>(options?: CallOptions): Promise<T> {
        return this.#python.value<T>(this, options);
    }

    /** Awaits it, as `await object` in Python. */
    await<T = unknown>(options?: ResultOptions): Promise<T> {
        return this.#python.await<T>(this, options);
    }

    /** Iterates over it. */
    stream<T = unknown>(options?: StreamOptions): AsyncIterable<T> {
        return this.#python.stream<T>(this, options);
    }

    /** Its bytes, or its array, at the speed of memory. */
    fetch(options?: FetchOptions): Promise<NdArray | Uint8Array> {
        return this.#python.fetch(this, options);
    }

    /** Keeps its lease from running out. */
    renew(options?: CallOptions): Promise<void> {
        return this.#python.renew(this, options);
    }

    /** Releases it. */
    dispose(options?: CallOptions): Promise<void> {
        return this.#python.dispose(this, options);
    }

    /** @internal */
    [REFERENCE](): unknown {
        return { $handle: this.id };
    }

    toString(): string {
        return `<${this.typeModule === undefined ? "" : `${this.typeModule}.`}${this.typeName} ${this.id}>`;
    }
}

/** `await using handle = …` releases it, where the runtime has that. */
const asyncDispose = (Symbol as { asyncDispose?: symbol }).asyncDispose;
if (asyncDispose !== undefined) {
    Object.defineProperty(Handle.prototype, asyncDispose, {
        value(this: Handle): Promise<void> {
            return this.dispose();
        },
        configurable: true,
        writable: true,
    });
}
