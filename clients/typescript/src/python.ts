/** Python in one session: code, objects, streams, data. */

import { Batch } from "./batch.js";
import { Callbacks } from "./callback.js";
import { Caller, encodeAll, type Json } from "./caller.js";
import type { FetchOptions, PutOptions } from "./data-options.js";
import { type NdArray, type Puttable, datumOf, readDatum } from "./data.js";
import type { ExecutionEvent } from "./events.js";
import { execute, stream } from "./following.js";
import { type Description, Handle, type HandleInfo } from "./handle.js";
import { OPERATIONS, type Operation } from "./operations.js";
import type { ArgumentOptions, CallOptions, EvalOptions, EventOptions, ExecuteOptions, ResultOptions, StreamOptions } from "./options.js";
import { Reaper } from "./reaper.js";
import type { Transport } from "./transport.js";
import { encode } from "./values/encode.js";

/** What an evaluation gave, with all that came beside its value. */
export interface Evaluation<T = unknown> {
    readonly value: T;
    /** The objects of the names that were asked for, of those that are bound. */
    readonly outputs: Readonly<Record<string, unknown>>;
    readonly stdout: string;
    readonly stderr: string;
    /** One more after each restart of the session. */
    readonly sessionEpoch: number;
}

/**
 * Python in a session. A result is a value where there is a form for it, else a `Handle`; the type parameters say what the caller expects,
 * and nothing checks that.
 */
export class Python {
    /** @internal */
    readonly caller: Caller;

    /** @internal */
    constructor(readonly transport: Transport, readonly defaults: CallOptions = {}, private readonly reaper = new Reaper(transport)) {
        this.caller = new Caller(
            transport,
            defaults,
            (described, options) => this.handleOf(described, options),
            (other) => new Python(transport, other, reaper),
        );
    }

    /** The same with further options for all its calls. */
    with(options: CallOptions): Python {
        return new Python(this.transport, { ...this.defaults, ...options }, this.reaper);
    }

    /** Evaluates code, one expression or any number of statements; the last one's value, if it is an expression. Names persist. */
    eval<T = unknown>(code: string, options: EvalOptions & { readonly outputs: readonly string[] }): Promise<Evaluation<T>>;
    eval<T = unknown>(code: string, options?: EvalOptions): Promise<T>;
    async eval(code: string, options: EvalOptions & { readonly outputs?: readonly string[] } = {}): Promise<unknown> {
        const evaluation = await this.evaluate(code, options);
        return options.outputs === undefined ? evaluation.value : evaluation;
    }

    /** Evaluates code, and gives what it printed as well. */
    async evaluate<T = unknown>(code: string, options: EvalOptions & { readonly outputs?: readonly string[] } = {}): Promise<Evaluation<T>> {
        const { outputs, locals } = options;
        const answer = await this.perform(OPERATIONS.eval, { expression: code, ...asHandle(options), ...(outputs ? { outputs } : {}) }, { locals }, options);
        return this.evaluation<T>(answer, options);
    }

    /** Runs code, and gives what it tells as it runs; the last event is its `result`. Where it fails, the loop throws. */
    execute(code: string, options: ExecuteOptions = {}): AsyncIterable<ExecutionEvent> {
        return execute(this, code, options);
    }

    /** Iterates over what an expression gives, or over an object, as Python makes the items. Leaving the loop closes the generator. */
    stream<T = unknown>(source: string | Handle, options: StreamOptions = {}): AsyncIterable<T> {
        return stream(this, source, options) as AsyncIterable<T>;
    }

    /** Imports a module, and gives its handle. */
    async importModule(moduleName: string, options: CallOptions = {}): Promise<Handle> {
        const answer = await this.perform(OPERATIONS.import, { moduleName }, {}, options);
        return new Handle(this.in(options), { typeName: "module", ...answer } as unknown as HandleInfo);
    }

    /** Whether a module could be imported; it is not. */
    async moduleAvailable(moduleName: string, options: CallOptions = {}): Promise<boolean> {
        return (await this.perform(OPERATIONS.moduleAvailable, { moduleName }, {}, options))["available"] === true;
    }

    /** Calls a class, or anything else that a module has, and gives the handle of what it returns. */
    async create(module: Handle | string, className: string, args: readonly unknown[] = [], options: ArgumentOptions = {}): Promise<Handle> {
        const handle = typeof module === "string" ? await this.importModule(module, options) : module;
        const fields = { args, kwargs: options.kwargs };
        return this.handleOf(await this.perform(OPERATIONS.create, { moduleHandleId: handle.id, className }, fields, options), options);
    }

    /** Keeps a value in Python, and gives its handle. */
    async wrap(value: unknown, options: CallOptions = {}): Promise<Handle> {
        return this.handleOf(await this.perform(OPERATIONS.wrap, {}, { value }, options), options);
    }

    call<T = unknown>(handle: Handle, methodName: string, args: readonly unknown[] = [], options: ArgumentOptions = {}): Promise<T> {
        return this.resultOf<T>(OPERATIONS.call, handle, { methodName }, { args, kwargs: options.kwargs }, options);
    }

    invoke<T = unknown>(handle: Handle, args: readonly unknown[] = [], options: ArgumentOptions = {}): Promise<T> {
        return this.resultOf<T>(OPERATIONS.invoke, handle, {}, { args, kwargs: options.kwargs }, options);
    }

    getAttribute<T = unknown>(handle: Handle, attributeName: string, options: ResultOptions = {}): Promise<T> {
        return this.resultOf<T>(OPERATIONS.getattr, handle, { attributeName }, {}, options);
    }

    async setAttribute(handle: Handle, attributeName: string, value: unknown, options: CallOptions = {}): Promise<void> {
        await this.on(OPERATIONS.setattr, handle, { attributeName }, { value }, options);
    }

    getItem<T = unknown>(handle: Handle, key: unknown, options: ResultOptions = {}): Promise<T> {
        return this.resultOf<T>(OPERATIONS.getitem, handle, {}, { key }, options);
    }

    async setItem(handle: Handle, key: unknown, value: unknown, options: CallOptions = {}): Promise<void> {
        await this.on(OPERATIONS.setitem, handle, {}, { key, value }, options);
    }

    async deleteItem(handle: Handle, key: unknown, options: CallOptions = {}): Promise<void> {
        await this.on(OPERATIONS.delitem, handle, {}, { key }, options);
    }

    async length(handle: Handle, options: CallOptions = {}): Promise<number> {
        return Number((await this.on(OPERATIONS.len, handle, {}, {}, options))["value"]);
    }

    async contains(handle: Handle, item: unknown, options: CallOptions = {}): Promise<boolean> {
        return (await this.on(OPERATIONS.contains, handle, {}, { item }, options))["value"] === true;
    }

    async dir(handle: Handle, options: CallOptions = {}): Promise<string[]> {
        return (await this.on(OPERATIONS.dir, handle, {}, {}, options))["value"] as string[];
    }

    async describe(handle: Handle, options: CallOptions = {}): Promise<Description> {
        return (await this.on(OPERATIONS.describe, handle, {}, {}, options)) as unknown as Description;
    }

    value<T = unknown>(handle: Handle, options: CallOptions = {}): Promise<T> {
        return this.resultOf<T>(OPERATIONS.value, handle, {}, {}, options);
    }

    await<T = unknown>(handle: Handle, options: ResultOptions = {}): Promise<T> {
        return this.resultOf<T>(OPERATIONS.await, handle, {}, {}, options);
    }

    async renew(handle: Handle, options: CallOptions = {}): Promise<void> {
        await this.on(OPERATIONS.renew, handle, {}, {}, options);
    }

    /** Releases an object. Modules stay. */
    async dispose(handle: Handle, options: CallOptions = {}): Promise<void> {
        this.reaper.forget(handle);
        await this.on(OPERATIONS.dispose, handle, {}, {}, options);
    }

    /** The numbers of an object, nested ones too, as 32-bit floats. */
    async toFloatArray(handle: Handle, options: CallOptions = {}): Promise<Float32Array> {
        const numbers: unknown = await this.on(OPERATIONS.toFloatArray, handle, {}, {}, options);
        return floats(numbers);
    }

    /** The rows of an object of two dimensions as 32-bit floats. */
    async toFloatArray2d(handle: Handle, options: CallOptions = {}): Promise<Float32Array[]> {
        const rows: unknown = await this.on(OPERATIONS.toFloatArray2d, handle, {}, {}, options);
        return (rows as unknown[]).map(floats);
    }

    /** Sends bytes or an array, which are not copied, and gives their handle; with a name they are bound to that. */
    put(data: Puttable, options: PutOptions & { readonly name: string }): Promise<undefined>;
    put(data: Puttable, options?: PutOptions): Promise<Handle>;
    async put(data: Puttable, options: PutOptions = {}): Promise<Handle | undefined> {
        const { name, format } = options;
        const call = { ...this.caller.call(OPERATIONS.put, name === undefined ? {} : { name }, { ...this.defaults, ...options }, []), datum: datumOf(data, format) };
        const answer = (await this.caller.stoppable(call, options, () => this.transport.call(call))) as Json;
        return name === undefined ? this.handleOf(answer, options) : undefined;
    }

    /** Fetches the bytes or the array that an expression gives, or of an object. A table comes as an Arrow stream. */
    async fetch(source: string | Handle, options: FetchOptions = {}): Promise<NdArray | Uint8Array> {
        const { kind, format, locals } = options;
        const body = {
            ...(typeof source === "string" ? { expression: source, ...encodeAll({ locals }, new Callbacks()) } : { handleId: source.id }),
            ...(kind ? { kind } : {}),
            ...(format ? { format } : {}),
        };
        const call = this.caller.call(OPERATIONS.fetch, body, { ...this.defaults, ...options }, []);
        return readDatum(await this.caller.stoppable(call, options, () => this.transport.fetch(call)));
    }

    /** Several operations in one request. */
    batch(): Batch {
        return new Batch(this);
    }

    /** Cancels a call by its request id, and waits until it has ended; gives what became of it. */
    cancel(requestId: string, options: { readonly graceMs?: number; readonly once?: boolean } = {}): Promise<string> {
        return this.caller.cancel(requestId, options);
    }

    /** @internal */
    evaluation<T>(answer: Json, options: CallOptions): Evaluation<T> {
        const outputs: Json = {};
        for (const [name, given] of Object.entries((answer["outputs"] ?? {}) as Record<string, Json>)) outputs[name] = this.caller.result(given, options);
        return {
            value: this.caller.result(answer, options) as T,
            outputs,
            stdout: text(answer["stdout"]),
            stderr: text(answer["stderr"]),
            sessionEpoch: Number(answer["sessionEpoch"]),
        };
    }

    private perform(operation: Operation, body: Json, values: Json, options: CallOptions & EventOptions): Promise<Json> {
        const callbacks = new Callbacks();
        const { args, kwargs, locals, ...others } = values;
        // A function among arguments is called while the call runs; one that is kept would have no client to ask.
        const encoded = { ...encodeAll({ args, kwargs, locals }, callbacks), ...encodeOthers(others) };
        return this.caller.perform(operation, { ...body, ...encoded }, options, callbacks);
    }

    private on(operation: Operation, handle: Handle, body: Json, values: Json, options: CallOptions & EventOptions): Promise<Json> {
        return this.perform(operation, { handleId: handle.id, ...body }, values, options);
    }

    private async resultOf<T>(operation: Operation, handle: Handle, body: Json, values: Json, options: ResultOptions): Promise<T> {
        return this.caller.result(await this.on(operation, handle, { ...body, ...asHandle(options) }, values, options), options) as T;
    }

    private handleOf(described: Json, options: CallOptions): Handle {
        const handle = new Handle(this.in(options), described as unknown as HandleInfo);
        this.reaper.watch(handle, options.session ?? this.defaults.session);
        return handle;
    }

    /** This, in the session of these options: there is the object of a handle that such a call gave. */
    private in({ session, bigints }: CallOptions): Python {
        const differs = (session !== undefined && session !== this.defaults.session) || (bigints !== undefined && bigints !== this.defaults.bigints);
        return differs ? this.with({ ...(session === undefined ? {} : { session }), ...(bigints === undefined ? {} : { bigints }) }) : this;
    }
}

function encodeOthers(values: Json): Json {
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, encode(value)]));
}

function asHandle(options: ResultOptions): Json {
    return options.asHandle === true ? { returnType: "handle" } : {};
}

function text(given: unknown): string {
    return typeof given === "string" ? given : "";
}

function floats(numbers: unknown): Float32Array {
    return Float32Array.from(numbers as (number | string)[], Number);
}

