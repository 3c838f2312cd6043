/** Several operations in one request, one after the other. */

import { Callbacks } from "./callback.js";
import { encodeAll, type Json } from "./caller.js";
import { BeepPythonError, errorOf, type Problem } from "./errors.js";
import type { Handle } from "./handle.js";
import { OPERATIONS } from "./operations.js";
import type { CallOptions } from "./options.js";
import type { Python } from "./python.js";
import { REFERENCE, type Reference } from "./values/classes.js";

/** The result of a step: an argument, or the object, of later steps. */
export class Step implements Reference {
    constructor(readonly index: number) {}

    /** @internal */
    [REFERENCE](): unknown {
        return { $result: this.index };
    }
}

export interface StepOptions {
    readonly kwargs?: Readonly<Record<string, unknown>>;
    readonly locals?: Readonly<Record<string, unknown>>;
    readonly asHandle?: boolean;
    /** Whether the result is told, and its handle stays, although a later step refers to it. */
    readonly keep?: boolean;
}

/** What became of a step. One that a later step refers to, and is not kept, tells nothing. */
export interface StepOutcome {
    readonly value?: unknown;
    readonly error?: BeepPythonError;
    readonly skipped?: true;
}

type Target = Handle | Step;

export class Batch {
    private readonly steps: Json[] = [];

    constructor(private readonly python: Python) {}

    eval(expression: string, options: StepOptions = {}): Step {
        return this.add("eval", { expression }, { locals: options.locals }, options);
    }

    importModule(moduleName: string, options: StepOptions = {}): Step {
        return this.add("import", { moduleName }, {}, options);
    }

    create(module: Target, className: string, args: readonly unknown[] = [], options: StepOptions = {}): Step {
        return this.add("create", { moduleHandleId: idOf(module), className }, { args, kwargs: options.kwargs }, options);
    }

    call(object: Target, methodName: string, args: readonly unknown[] = [], options: StepOptions = {}): Step {
        return this.add("call", { handleId: idOf(object), methodName }, { args, kwargs: options.kwargs }, options);
    }

    invoke(object: Target, args: readonly unknown[] = [], options: StepOptions = {}): Step {
        return this.add("invoke", { handleId: idOf(object) }, { args, kwargs: options.kwargs }, options);
    }

    get(object: Target, attributeName: string, options: StepOptions = {}): Step {
        return this.add("getattr", { handleId: idOf(object), attributeName }, {}, options);
    }

    set(object: Target, attributeName: string, value: unknown): Step {
        return this.add("setattr", { handleId: idOf(object), attributeName }, { value }, {});
    }

    item(object: Target, key: unknown, options: StepOptions = {}): Step {
        return this.add("getitem", { handleId: idOf(object) }, { key }, options);
    }

    setItem(object: Target, key: unknown, value: unknown): Step {
        return this.add("setitem", { handleId: idOf(object) }, { key, value }, {});
    }

    deleteItem(object: Target, key: unknown): Step {
        return this.add("delitem", { handleId: idOf(object) }, { key }, {});
    }

    length(object: Target): Step {
        return this.add("len", { handleId: idOf(object) }, {}, {});
    }

    has(object: Target, item: unknown): Step {
        return this.add("contains", { handleId: idOf(object) }, { item }, {});
    }

    value(object: Target): Step {
        return this.add("value", { handleId: idOf(object) }, {}, {});
    }

    await(object: Target, options: StepOptions = {}): Step {
        return this.add("await", { handleId: idOf(object) }, {}, options);
    }

    wrap(value: unknown, options: StepOptions = {}): Step {
        return this.add("wrap", {}, { value }, options);
    }

    dispose(object: Target): Step {
        return this.add("dispose", { handleId: idOf(object) }, {}, {});
    }

    /** Runs the steps. After one that fails the rest is skipped, unless `stopOnError` is false: then only those that refer to it are. */
    async run(options: CallOptions & { readonly stopOnError?: boolean } = {}): Promise<BatchResults> {
        const { stopOnError } = options;
        const body = { steps: this.steps, ...(stopOnError === undefined ? {} : { stopOnError }) };
        const { caller } = this.python;
        const answer = await caller.perform(OPERATIONS.batch, body, options);
        return new BatchResults((answer["results"] as Json[]).map((result) => outcomeOf(result, (given) => caller.result(given, options))));
    }

    private add(operation: string, body: Json, values: Json, { asHandle, keep }: StepOptions): Step {
        // No client could answer a callback: a batch has no events. The encoder refuses functions.
        const callbacks = new Callbacks();
        const encoded = encodeAll(values, callbacks);
        if (callbacks.size > 0) throw new BeepPythonError("not_encodable", "a step of a batch takes no functions: make the call by itself");
        this.steps.push({ operation, ...body, ...encoded, ...(asHandle === true ? { returnType: "handle" } : {}), ...(keep === true ? { keep } : {}) });
        return new Step(this.steps.length - 1);
    }
}

/** The outcomes of the steps, in their order. */
export class BatchResults implements Iterable<StepOutcome> {
    constructor(readonly outcomes: readonly StepOutcome[]) {}

    /** The result of a step, or its error. */
    get<T = unknown>(step: Step): T {
        const outcome = this.outcomes[step.index];
        if (outcome?.error) throw outcome.error;
        if (outcome === undefined || outcome.skipped) {
            throw new BeepPythonError("skipped", `step ${String(step.index)} did not run: an earlier one failed`);
        }
        if (!("value" in outcome)) {
            throw new BeepPythonError("not_kept", `step ${String(step.index)} tells no result, since a later one refers to it: make it with { keep: true }`);
        }
        return outcome.value as T;
    }

    [Symbol.iterator](): Iterator<StepOutcome> {
        return this.outcomes[Symbol.iterator]();
    }
}

function outcomeOf(result: Json, read: (given: Json) => unknown): StepOutcome {
    if (result["error"] !== undefined) return { error: errorOf(result["error"] as Problem) };
    if (result["skipped"] === true) return { skipped: true };
    return "value" in result || "handleId" in result ? { value: read(result) } : {};
}

function idOf(target: Target): unknown {
    return target instanceof Step ? target[REFERENCE]() : target.id;
}
