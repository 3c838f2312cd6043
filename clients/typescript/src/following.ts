/** Executions and streams: calls whose events the program follows. */

import { Callbacks } from "./callback.js";
import { encodeAll, readEvent, type Json } from "./caller.js";
import { errorOf } from "./errors.js";
import type { ExecutionEvent } from "./events.js";
import type { Handle } from "./handle.js";
import { OPERATIONS } from "./operations.js";
import type { ExecuteOptions, StreamOptions } from "./options.js";
import type { Python } from "./python.js";
import { problemOf } from "./transport.js";

export async function* execute(python: Python, code: string, options: ExecuteOptions): AsyncIterable<ExecutionEvent> {
    const { outputs, locals, progress = true, log = true } = options;
    const callbacks = new Callbacks();
    const body = {
        expression: code,
        ...(options.asHandle === true ? { returnType: "handle" } : {}),
        ...(outputs ? { outputs } : {}),
        ...encodeAll({ locals }, callbacks),
    };
    const capabilities = [...(progress ? ["progress"] : []), ...(log ? ["log"] : [])];
    const printed = { stdout: "", stderr: "" };
    for await (const event of python.caller.follow(OPERATIONS.execute, body, options, callbacks, capabilities)) {
        if (event.event === "error") throw errorOf({ ...printed, ...problemOf(event) }, options.signal?.reason);
        if (event.event === "stdout" || event.event === "stderr") printed[event.event] += typeof event["text"] === "string" ? event["text"] : "";
        // The client answers these by itself.
        if (event.event === "callback") continue;
        if (event.event === "result") {
            const { value, outputs: named, sessionEpoch } = python.evaluation<unknown>(event, options);
            yield { event: "result", value, outputs: named, sessionEpoch };
        } else yield readEvent(event) as unknown as ExecutionEvent;
    }
}

export async function* stream(python: Python, source: string | Handle, options: StreamOptions): AsyncIterable<unknown> {
    const { locals, method, args, kwargs, keep } = options;
    const callbacks = new Callbacks();
    const body = {
        ...(typeof source === "string" ? { expression: source } : { handleId: source.id }),
        ...(method === undefined ? {} : { methodName: method }),
        ...(keep === true ? { keep } : {}),
        ...encodeAll({ locals, args, kwargs }, callbacks),
    };
    for await (const event of python.caller.follow(OPERATIONS.stream, body, options, callbacks)) {
        if (event.event === "error") throw errorOf(problemOf(event), options.signal?.reason);
        if (event.event === "item") yield python.caller.result(event, options);
        if (event.event === "result" && event["returned"] !== undefined) options.onReturn?.(python.caller.result(event["returned"] as Json, options));
    }
}
