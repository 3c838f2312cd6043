/** Functions of the client's that Python code calls. */

import { EncodeError } from "./errors.js";
import type { Python } from "./python.js";

/** One call of a callback by Python code. */
export interface CallbackCall {
    readonly args: readonly unknown[];
    readonly kwargs: Readonly<Record<string, unknown>>;
    /** The session of the code, for calls while it waits for the answer. Calls by any other way wait for their turn, and so for ever. */
    readonly python: Python;
}

/** What Python is told of a function. */
export interface CallbackOptions {
    /** Its `__name__`; the name of the argument otherwise. */
    readonly name?: string;
    readonly doc?: string;
    /** `(a: int, b: int = 1) -> int` */
    readonly signature?: string;
}

export type CallbackFunction = (call: CallbackCall) => unknown;

/** A function that takes a `CallbackCall`. Make one by `callback`. */
export class Callback {
    /** @internal */
    readonly isCallback = true;

    constructor(readonly run: CallbackFunction, readonly options: CallbackOptions = {}) {}
}

/** A function for Python that gets its call as a whole: keyword arguments, and the session to call back into. */
export function callback(run: CallbackFunction, options: CallbackOptions = {}): Callback {
    return new Callback(run, options);
}

/** The functions among the arguments of a call. */
export class Callbacks {
    private readonly byName = new Map<string, Callback>();
    private readonly names = new Map<object, string>();

    get size(): number {
        return this.byName.size;
    }

    find(name: string): Callback | undefined {
        return this.byName.get(name);
    }

    /** Names a function, and says how it stands among the arguments. */
    readonly take = (given: object, key: string | undefined): unknown => {
        const made = given instanceof Callback ? given : typeof given === "function" ? plain(given as PlainFunction) : undefined;
        if (!made) throw new EncodeError("what stands for a Python function must be a function");
        const { name, doc, signature } = made.options;
        let called = this.names.get(given);
        if (called === undefined) {
            called = this.unused(name ?? key ?? ((given as { name?: string }).name || "callback"));
            this.names.set(given, called);
            this.byName.set(called, made);
        }
        return { $callback: called, ...(doc === undefined ? {} : { doc }), ...(signature === undefined ? {} : { signature }) };
    };

    private unused(name: string): string {
        for (let count = 1; ; count += 1) {
            const candidate = count === 1 ? name : `${name}_${String(count)}`;
            if (!this.byName.has(candidate)) return candidate;
        }
    }
}

type PlainFunction = (...args: unknown[]) => unknown;

/** A function that takes the arguments; keyword arguments come as an object behind them. */
function plain(given: PlainFunction): Callback {
    return new Callback(({ args, kwargs }) => (Object.keys(kwargs).length > 0 ? given(...args, kwargs) : given(...args)));
}
