/** Carries out calls: encodes what is given, follows events, answers questions, and reads results. */

import { Callbacks } from "./callback.js";
import { Cancelled, errorOf, type Problem } from "./errors.js";
import type { Handle } from "./handle.js";
import { OPERATIONS, type Operation } from "./operations.js";
import { type CallOptions, type EventOptions, wireOptions } from "./options.js";
import type { Python } from "./python.js";
import { Questions } from "./questions.js";
import { type Call, problemOf, type Transport, type WireEvent } from "./transport.js";
import { decode } from "./values/decode.js";
import { encode } from "./values/encode.js";
import { fromBase64 } from "./values/base64.js";

export type Json = Record<string, unknown>;
type Options = CallOptions & EventOptions & { isolated?: boolean; rawOutput?: boolean };

/** After how many milliseconds a cancel that found no call is sent again, at first: the call may be on its way. */
const CANCEL_AGAIN_MS = 5;

export class Caller {
    constructor(
        readonly transport: Transport,
        /** The options of all calls, where a call does not say otherwise. */
        readonly defaults: CallOptions,
        /** Makes the handle of an object. */
        private readonly handleOf: (described: Json, options: CallOptions) => Handle,
        /** The same client with other defaults. */
        private readonly pythonWith: (defaults: CallOptions) => Python,
    ) {}

    /** Carries out an operation of a session, and gives its answer as the wire has it. */
    async perform(operation: Operation, body: Json, given: Options = {}, callbacks = new Callbacks()): Promise<Json> {
        const options = { ...this.defaults, ...given };
        if (callbacks.size === 0 && !asksForEvents(options)) {
            const call = this.call(operation, body, options, []);
            return this.stoppable(call, options, async () => (await this.transport.call(call)) as Json);
        }
        const output = { stdout: "", stderr: "" };
        for await (const event of this.follow(operation, body, given, callbacks)) {
            if (event.event === "result") return { ...output, ...event };
            if (event.event === "stdout" || event.event === "stderr") output[event.event] += typeof event["text"] === "string" ? event["text"] : "";
            if (event.event === "error") throw errorOf({ ...output, ...problemOf(event) }, given.signal?.reason);
        }
        throw new Error("a transport ends events by a result or an error");
    }

    /** An operation of the host's. */
    async ofHost(operation: Operation, body: Json = {}, sessionId?: string): Promise<Json> {
        const call: Call = { operation, body, options: {}, ...(sessionId === undefined ? {} : { sessionId }) };
        return (await this.transport.call(call)) as Json;
    }

    /** The events of a call as the wire has them; questions are answered beside. The last is `result` or `error`. */
    async *follow(operation: Operation, body: Json, given: Options, callbacks: Callbacks, capabilities: string[] = []): AsyncIterable<WireEvent> {
        const options = { ...this.defaults, ...given };
        if (callbacks.size > 0) capabilities.push("callbacks");
        if (options.stdin !== undefined) capabilities.push("stdin");
        if (options.onProgress) capabilities.push("progress");
        if (options.onLog) capabilities.push("log");
        if (options.rawOutput === true) capabilities.push("rawOutput");
        const call = this.call(operation, body, options, [...new Set(capabilities)]);
        const questions = new Questions(callbacks, options.stdin, {
            answer: (answer) => this.answer(answer, options),
            read: (value) => this.result(value as Json, options),
            nested: (questionId) => this.pythonWith({ ...sessionOf(options), ...bigintsOf(options), callback: questionId }),
        });
        const stop = this.stopper(call, options);
        try {
            for await (const event of this.transport.events(call)) {
                tell(event, options);
                if (event.event === "input_request" || event.event === "callback") questions.take(event);
                yield event;
            }
        } finally {
            stop();
            questions.end();
        }
    }

    /** A result: its value, or the handle of its object. */
    result(answer: Json, options: CallOptions): unknown {
        if (typeof answer["handleId"] === "string") return this.handleOf(answer, options);
        return decode(answer["value"], options.bigints ?? this.defaults.bigints ?? false);
    }

    /** Carries out something that its signal may stop. */
    async stoppable<T>(call: Call, options: CallOptions, run: () => Promise<T>): Promise<T> {
        const stop = this.stopper(call, options);
        try {
            return await run();
        } catch (error) {
            if (error instanceof Cancelled && error.problem && options.signal?.aborted === true) {
                throw new Cancelled(error.problem, options.signal.reason);
            }
            throw error;
        } finally {
            stop();
        }
    }

    call(operation: Operation, body: Json, options: Options, capabilities: string[]): Call {
        const wire = wireOptions(options);
        if (options.signal && wire["requestId"] === undefined) wire["requestId"] = newId();
        if (capabilities.length > 0) wire["capabilities"] = capabilities;
        return { operation, body, options: wire };
    }

    async cancel(requestId: string, options: { graceMs?: number; once?: boolean } = {}): Promise<string> {
        const answer = await this.ofHost(OPERATIONS.cancel, { requestId, ...options });
        return String(answer["outcome"]);
    }

    /** Cancels the call when its signal is aborted, until what it returns is called. */
    private stopper(call: Call, { signal, graceMs }: CallOptions): () => void {
        if (!signal) return () => undefined;
        if (signal.aborted) throw notStarted(signal.reason);
        let over = false;
        const requestId = String(call.options["requestId"]);
        const cancel = async (): Promise<void> => {
            for (let wait = CANCEL_AGAIN_MS; !over; wait = Math.min(2 * wait, 1000)) {
                const outcome = await this.cancel(requestId, graceMs === undefined ? {} : { graceMs });
                if (outcome !== "not_found") return;
                await new Promise((resolve) => setTimeout(resolve, wait));
            }
        };
        // Where the cancel fails, so does the call, or it ends as it does.
        const onAbort = (): void => { cancel().catch(() => undefined); };
        signal.addEventListener("abort", onAbort, { once: true });
        return () => {
            over = true;
            signal.removeEventListener("abort", onAbort);
        };
    }

    private async answer(answer: Json, options: CallOptions): Promise<void> {
        const call: Call = { operation: OPERATIONS.answer, body: answer, options: sessionOf(options) };
        await this.transport.call(call);
    }
}

/** An id that cannot be guessed. Pages without TLS have no `randomUUID`. */
function newId(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Encodes arguments and the like, with the functions among them. */
export function encodeAll(fields: Json, callbacks: Callbacks): Json {
    const encoded: Json = {};
    for (const [name, value] of Object.entries(fields)) {
        if (value !== undefined) encoded[name] = encode(value, callbacks.take);
    }
    return encoded;
}

function asksForEvents({ stdin, onOutput, onProgress, onLog }: EventOptions): boolean {
    return stdin !== undefined || onOutput !== undefined || onProgress !== undefined || onLog !== undefined;
}

function sessionOf({ session }: CallOptions): { session?: string } {
    return session === undefined ? {} : { session };
}

function bigintsOf({ bigints }: CallOptions): { bigints?: boolean } {
    return bigints === undefined ? {} : { bigints };
}

function notStarted(reason: unknown): Cancelled {
    const problem: Problem = { code: "cancelled", detail: "the signal was aborted before the call was sent", started: false, outcome: "not_started" };
    return new Cancelled(problem, reason);
}

function tell(event: WireEvent, options: EventOptions): void {
    const told = readEvent(event);
    if (event.event === "stdout" || event.event === "stderr") {
        options.onOutput?.(typeof event["text"] === "string" ? event["text"] : "", event.event, told as never);
    } else if (event.event === "progress") options.onProgress?.(told as never);
    else if (event.event === "log") options.onLog?.(told as never);
}

/** An event of the wire as programs get it: output that is no text is bytes. */
export function readEvent(event: WireEvent): WireEvent {
    if (typeof event["base64"] !== "string") return event;
    const { base64, ...rest } = event;
    return { ...rest, bytes: fromBase64(base64) };
}
