/** Calls over a Unix socket: one JSON object a line. */

import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Endpoint } from "../endpoint.js";
import { ConnectionFailed, ConnectionLost, errorOf, type Problem, ProtocolError, UntrustedServer } from "../errors.js";
import { trustedSocket } from "../node/trust.js";
import { OPERATIONS } from "../operations.js";
import type { Call, Datum, Transport, WireEvent } from "../transport.js";
import { PipeConnection, Unsent } from "./connection.js";

/** The most idle connections that are kept. */
const MAX_IDLE = 32;

type PipeEndpoint = Extract<Endpoint, { kind: "pipe" }>;

interface Answer {
    readonly id?: unknown;
    readonly event?: string;
    readonly result?: unknown;
    readonly error?: string;
    readonly errorInfo?: Problem;
    readonly via?: string;
}

export class PipeTransport implements Transport {
    readonly endpoint: string;
    private readonly path: string;
    /** Hidden from `console.log`. */
    readonly #token: string | undefined;
    /** The last used is on top: it is the warmest. */
    private idle: PipeConnection[] = [];
    private readonly busy = new Set<PipeConnection>();

    constructor(endpoint: PipeEndpoint, token: string | undefined) {
        this.#token = token;
        this.endpoint = endpoint.text;
        this.path = endpoint.path ?? join(tmpdir(), `CoreFxPipe_${endpoint.name ?? ""}`);
    }

    async call(call: Call): Promise<unknown> {
        const connection = await this.sent(call, {});
        return this.reading(connection, async () => resultOf(await this.answer(connection)));
    }

    async fetch(call: Call): Promise<Datum> {
        const connection = await this.sent(call, {});
        return this.reading(connection, async () => {
            const { data } = resultOf(await this.answer(connection)) as { data: Omit<Datum, "bytes"> & { byteLength: number } };
            return { ...data, bytes: await connection.bytes(data.byteLength) };
        });
    }

    async *events(call: Call): AsyncIterable<WireEvent> {
        const connection = await this.sent(withEvents(call), { id: 1 });
        let ended = false;
        try {
            for (;;) {
                const answer = await this.answer(connection);
                if (answer.event !== undefined) {
                    const { id: _, ...event } = answer;
                    yield event as unknown as WireEvent;
                    continue;
                }
                ended = true;
                if (answer.error === undefined) yield { ...(answer.result as object), event: "result" };
                else yield { ...problemOf(answer), event: "error" };
                return;
            }
        } finally {
            // Closing it is how a client leaves events.
            if (ended) this.keep(connection);
            else this.drop(connection);
        }
    }

    close(): void {
        for (const connection of [...this.idle, ...this.busy]) connection.close();
        this.idle = [];
    }

    /** A connection over which the call was sent. One that was closed while it was idle is replaced: what was not sent whole has not run. */
    private async sent(call: Call, more: object): Promise<PipeConnection> {
        for (;;) {
            const kept = this.kept();
            const connection = kept ?? (await PipeConnection.open(this.trustedPath(), this.endpoint));
            this.busy.add(connection);
            const token = connection.isNew && this.#token !== undefined ? { token: this.#token } : {};
            try {
                await connection.send(JSON.stringify({ ...token, ...line(call), ...more }), call.datum?.bytes);
                return connection;
            } catch (error) {
                if (!(error instanceof Unsent)) throw error;
                // A server that refuses the client says so, and closes.
                const said = await connection.line().catch(() => undefined);
                this.drop(connection);
                if (said !== undefined) throw errorOf(problemOf(parse(said)));
                if (!kept) throw new ConnectionLost(this.endpoint, false, error);
            }
        }
    }

    private async answer(connection: PipeConnection): Promise<Answer> {
        let text: string;
        try {
            text = await connection.line();
        } catch (error) {
            throw new ConnectionLost(this.endpoint, true, error);
        }
        const answer = parse(text);
        if (answer.error === undefined) connection.isLetIn = true;
        return answer;
    }

    /** Reads an answer, after which the connection is free for the next call. */
    private async reading<T>(connection: PipeConnection, read: () => Promise<T>): Promise<T> {
        try {
            return await read();
        } catch (error) {
            if (error instanceof ConnectionLost) this.drop(connection);
            throw error;
        } finally {
            this.keep(connection);
        }
    }

    private kept(): PipeConnection | undefined {
        for (;;) {
            const connection = this.idle.pop();
            if (!connection) return undefined;
            if (!connection.isUsable) continue;
            connection.work();
            return connection;
        }
    }

    private keep(connection: PipeConnection): void {
        if (!this.busy.delete(connection)) return;
        if (!connection.isUsable || this.idle.length >= MAX_IDLE) connection.close();
        else {
            connection.rest();
            this.idle.push(connection);
        }
    }

    private drop(connection: PipeConnection): void {
        this.busy.delete(connection);
        connection.close();
    }

    private trustedPath(): string {
        let found;
        try {
            found = trustedSocket(this.path);
        } catch (error) {
            throw new ConnectionFailed(this.endpoint, error);
        }
        // The folder of temporary files is everybody's: another user may have made a socket of that name.
        if (found.reason !== undefined) throw new UntrustedServer(this.endpoint, found.reason);
        return found.path;
    }
}

/** The call, so that it has events: over a pipe those that usually have none get them with a capability alone. */
function withEvents(call: Call): Call {
    if (call.options["capabilities"] !== undefined || call.operation === OPERATIONS.sessionEvents) return call;
    return { ...call, options: { ...call.options, capabilities: ["progress"] } };
}

/** A call as the object of its line. */
function line(call: Call): Record<string, unknown> {
    const { operation, body, options, sessionId, datum } = call;
    const payload = sessionId === undefined ? body : { ...body, sessionId };
    const given: Record<string, unknown> = { command: operation.command, payload, ...options, values: "exact" };
    if (datum) {
        const { bytes, ...descriptor } = datum;
        given["via"] = "inline";
        given["data"] = [{ ...descriptor, byteLength: bytes.byteLength }];
    }
    return given;
}

function parse(text: string): Answer {
    try {
        return JSON.parse(text) as Answer;
    } catch {
        throw new ProtocolError(200, `a line is no JSON: ${text.slice(0, 200)}`);
    }
}

function problemOf(answer: Answer): Problem {
    return answer.errorInfo ?? { code: "protocol_error", detail: answer.error ?? "the answer has neither a result nor an error" };
}

function resultOf(answer: Answer): unknown {
    if (answer.error !== undefined) throw errorOf(problemOf(answer));
    return answer.result;
}
