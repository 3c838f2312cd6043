/** Calls over HTTP. */

import { ConnectionFailed, ConnectionLost, errorOfBody, ProtocolError } from "../errors.js";
import { OPERATIONS } from "../operations.js";
import type { Call, Datum, Transport, WireEvent } from "../transport.js";
import { lineEvents, sentEvents } from "./lines.js";
import type { HttpRequest, HttpResponse, Requester } from "./requester.js";

/** How often a connection is made again, to go on with the events of a call, until one brings some. */
const MAX_RESUMES = 5;

const FORMATS: Readonly<Record<string, string>> = {
    raw: "application/octet-stream",
    npy: "application/x-npy",
    "arrow-stream": "application/vnd.apache.arrow.stream",
    png: "image/png",
    json: "application/json",
};

/** The headers of call options, where they cannot stand in a body. */
const HEADERS: Readonly<Record<string, string>> = {
    session: "x-beep-session",
    requestId: "x-beep-request",
    timeoutMs: "x-beep-timeout-ms",
    graceMs: "x-beep-grace-ms",
    limits: "x-beep-limits",
    leaseMs: "x-beep-lease-ms",
    cancelOnDisconnect: "x-beep-cancel-on-disconnect",
    capabilities: "x-beep-capabilities",
    tracebackLocals: "x-beep-traceback-locals",
    callback: "x-beep-callback",
    traceparent: "traceparent",
    tracestate: "tracestate",
};

export class HttpTransport implements Transport {
    /** Hidden from `console.log`. */
    readonly #authorization: Record<string, string>;

    constructor(readonly endpoint: string, private readonly requester: Requester, token: string | undefined) {
        this.#authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
    }

    async call(call: Call): Promise<unknown> {
        const response = await this.send(call, {});
        return parseAnswer(response.status, await response.text());
    }

    async fetch(call: Call): Promise<Datum> {
        const { kind, format, ...body } = call.body as { kind?: Datum["kind"]; format?: string };
        const named = format ?? (kind === "table" ? "arrow-stream" : "raw");
        const accept = FORMATS[named] ?? named;
        const response = await this.send({ ...call, body: { ...body, ...(kind ? { kind } : {}) } }, { accept });
        const shape = response.header("x-beep-shape");
        const dtype = response.header("x-beep-dtype");
        return {
            format: named,
            ...(kind ? { kind } : {}),
            ...(dtype === undefined ? {} : { dtype }),
            ...(shape === undefined ? {} : { shape: shape === "" ? [] : shape.split(",").map(Number) }),
            bytes: await response.bytes(),
        };
    }

    events(call: Call): AsyncIterable<WireEvent> {
        const { capabilities = [], cancelOnDisconnect } = call.options as { capabilities?: string[]; cancelOnDisconnect?: boolean };
        const isStream = call.operation === OPERATIONS.stream || call.operation === OPERATIONS.next;
        const asks = capabilities.some((name) => name === "stdin" || name === "callbacks");
        // Only the events of calls that outlive their connection have ids, by which another connection goes on with them.
        const resumable = call.operation.ofSession && !isStream && !asks && cancelOnDisconnect !== true;
        return resumable ? this.resumed(call) : this.unbroken(call);
    }

    close(): void {
        this.requester.close();
    }

    private async *unbroken(call: Call): AsyncIterable<WireEvent> {
        const response = await this.send(call, { accept: "application/x-ndjson" }, true);
        for await (const event of lineEvents(response.chunks())) {
            yield event;
            if (isLast(event)) return;
        }
        throw this.cutOff();
    }

    /** The events of a call, over further connections where one is lost: what has run is never sent again, only asked for. */
    private async *resumed(call: Call): AsyncIterable<WireEvent> {
        let last: string | undefined;
        let resumes = 0;
        for (;;) {
            let lost: unknown;
            try {
                const headers = last === undefined ? {} : { "last-event-id": last };
                const response = await this.send(call, { accept: "text/event-stream", ...headers }, true);
                if (response.status === 204) throw new NotKept();
                for await (const { event, id } of sentEvents(response.chunks())) {
                    last = id ?? last;
                    resumes = 0;
                    yield event;
                    if (isLast(event)) return;
                }
                lost = this.cutOff();
            } catch (error) {
                if (error instanceof NotKept) throw new ConnectionLost(this.endpoint, true, error);
                const again = error instanceof ConnectionLost || (error instanceof ConnectionFailed && last !== undefined);
                if (!again) throw error;
                lost = error;
            }
            resumes += 1;
            if (last === undefined || resumes > MAX_RESUMES) throw lost;
            await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** resumes));
        }
    }

    private cutOff(): ConnectionLost {
        return new ConnectionLost(this.endpoint, true, new Error("the events ended without a result"));
    }

    /** Sends a call, and gives its answer if it is one of success. */
    private async send(call: Call, headers: Record<string, string>, streamed = false): Promise<HttpResponse> {
        const response = await this.requester.send(this.request(call, headers, streamed));
        if (response.status >= 200 && response.status < 300) return response;
        throw errorOfBody(response.status, await response.text());
    }

    private request(call: Call, headers: Record<string, string>, streamed: boolean): HttpRequest {
        const { operation } = call;
        let path = operation.path.replace("{sessionId}", () => encodeURIComponent(call.sessionId ?? ""));
        const all: Record<string, string> = { ...headers, ...this.#authorization };
        let body: string | Uint8Array | undefined;
        if (call.datum) {
            const name = call.body["name"];
            if (typeof name === "string") path += `?name=${encodeURIComponent(name)}`;
            Object.assign(all, datumHeaders(call.datum), optionHeaders(call.options));
            body = call.datum.bytes;
        } else if (operation.method === "POST") {
            all["content-type"] = "application/json";
            body = JSON.stringify(operation.ofSession ? { ...call.body, ...call.options, values: "exact" } : call.body);
        } else if (operation === OPERATIONS.sessionEvents) {
            Object.assign(all, optionHeaders(call.options), { "x-beep-values": "exact" });
        }
        return { method: operation.method, path, headers: all, body, repeatable: operation.repeatable, streamed };
    }
}

/** The server has nothing that follows the last event. */
class NotKept extends Error {
    override message = "the rest of its events is not kept";
}

function datumHeaders(datum: Datum): Record<string, string> {
    const headers: Record<string, string> = { "content-type": FORMATS[datum.format ?? "raw"] ?? "application/octet-stream" };
    if (datum.dtype !== undefined) headers["x-beep-dtype"] = datum.dtype;
    if (datum.shape !== undefined) headers["x-beep-shape"] = datum.shape.join(",");
    return headers;
}

function optionHeaders(options: Record<string, unknown>): Record<string, string> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options)) {
        const header = HEADERS[name];
        if (header === undefined) continue;
        headers[header] = Array.isArray(value) ? value.join(", ") : typeof value === "string" ? value : JSON.stringify(value);
    }
    return headers;
}

function isLast(event: WireEvent): boolean {
    return event.event === "result" || event.event === "error";
}

function parseAnswer(status: number, text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        throw new ProtocolError(status, text.slice(0, 200));
    }
}

