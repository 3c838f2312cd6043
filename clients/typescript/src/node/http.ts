/** HTTP by Node's own client, which knows the socket: the server is looked at before a token goes there. */

import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { connect as netConnect, type Socket } from "node:net";
import { connect as tlsConnect, type ConnectionOptions } from "node:tls";

import { isLoopback, type Endpoint } from "../endpoint.js";
import { BeepPythonError, ConnectionFailed, ConnectionLost, UntrustedServer } from "../errors.js";
import type { HttpRequest, HttpResponse, Requester } from "../http/requester.js";
import { refusesToken } from "./trust.js";

const CONNECT_TIMEOUT_MS = 10_000;
/** Servers keep idle connections for 90 seconds; the client stops using them well before. */
const IDLE_MS = 60_000;
const MAX_IDLE = 32;

export interface NodeHttpOptions {
    readonly hasToken: boolean;
    readonly allowInsecureToken: boolean;
    /** What TLS is told: authorities, the certificate of the client. */
    readonly tls: ConnectionOptions;
    /** The certificate that the server must have, in place of one that an authority signed. */
    readonly fingerprint: string | undefined;
}

type HttpEndpoint = Extract<Endpoint, { kind: "http" }>;

export class NodeRequester implements Requester {
    private readonly agent: HttpAgent;
    private readonly host: string;

    constructor(private readonly endpoint: HttpEndpoint, private readonly options: NodeHttpOptions) {
        const agent = new (endpoint.tls ? HttpsAgent : HttpAgent)({ keepAlive: true, maxFreeSockets: MAX_IDLE, timeout: IDLE_MS, scheduling: "lifo" });
        // Node hands a request to the socket only when this has called back: nothing is sent to a server that is not trusted.
        agent.createConnection = ((_: unknown, done: (error: Error | null, socket?: Socket) => void) => {
            this.connect().then((socket) => { done(null, socket); }, done);
            return undefined;
        }) as unknown as typeof agent.createConnection;
        this.agent = agent;
        // Servers know every loopback address as `localhost`.
        this.host = `${isLoopback(endpoint.host) ? "localhost" : new URL(endpoint.base).hostname}:${String(endpoint.port)}`;
    }

    async send(request: HttpRequest): Promise<HttpResponse> {
        try {
            return await this.exchange(request);
        } catch (error) {
            // A connection that the server closed while it was idle: what changes nothing is sent again.
            if (request.repeatable && error instanceof ConnectionLost) return this.exchange(request);
            throw error;
        }
    }

    close(): void {
        this.agent.destroy();
    }

    private exchange(request: HttpRequest): Promise<HttpResponse> {
        return new Promise((resolve, reject) => {
            const headers: Record<string, string | number> = { ...request.headers, host: this.host };
            if (request.body !== undefined) {
                headers["content-length"] = typeof request.body === "string" ? Buffer.byteLength(request.body) : request.body.byteLength;
            }
            const send = this.endpoint.tls ? httpsRequest : httpRequest;
            const { method, path } = request;
            const sent = send({ method, path, headers, agent: this.agent, host: this.endpoint.host, port: this.endpoint.port, setHost: false });
            sent.on("response", (message) => { resolve(new NodeResponse(message, sent, this.endpoint.base)); });
            sent.on("error", (error) => { reject(this.failed(error)); });
            sent.end(request.body);
        });
    }

    private failed(error: Error): Error {
        return error instanceof BeepPythonError ? error : new ConnectionLost(this.endpoint.base, true, error);
    }

    private connect(): Promise<Socket> {
        const { host, port, tls, base } = this.endpoint;
        return new Promise((resolve, reject) => {
            const target = { host, port, noDelay: true };
            const secure = { ...this.options.tls, ...(this.options.fingerprint === undefined ? {} : { rejectUnauthorized: false }) };
            const servername = /^[\d.]+$|:/.test(host) ? "" : host;
            const socket = tls ? tlsConnect({ ...target, servername, ...secure }) : netConnect(target);
            const fail = (error: unknown): void => {
                socket.destroy();
                reject(error instanceof BeepPythonError ? error : new ConnectionFailed(base, error));
            };
            const timer = setTimeout(() => { fail(new Error("no connection within 10 seconds")); }, CONNECT_TIMEOUT_MS);
            socket.once("error", fail);
            socket.once(tls ? "secureConnect" : "connect", () => {
                clearTimeout(timer);
                socket.off("error", fail);
                const reason = this.refuses(socket);
                if (reason === undefined) resolve(socket);
                else fail(new UntrustedServer(base, reason));
            });
            socket.once("close", () => { clearTimeout(timer); });
        });
    }

    /** Why nothing may go over this connection. */
    private refuses(socket: Socket): string | undefined {
        const { fingerprint, hasToken, allowInsecureToken } = this.options;
        if ("getPeerCertificate" in socket) {
            const found = (socket as import("node:tls").TLSSocket).getPeerCertificate().fingerprint256;
            return fingerprint === undefined || found === fingerprint
                ? undefined
                : `its certificate has the fingerprint ${found}, which is not the one that it is known by`;
        }
        return hasToken && !allowInsecureToken ? refusesToken(socket) : undefined;
    }
}

class NodeResponse implements HttpResponse {
    readonly status: number;

    constructor(private readonly message: IncomingMessage, private readonly request: ClientRequest, private readonly base: string) {
        this.status = message.statusCode ?? 0;
        // The reader of the body learns of the error there.
        request.on("error", () => undefined);
        message.on("error", () => undefined);
    }

    header(name: string): string | undefined {
        const value = this.message.headers[name];
        return Array.isArray(value) ? value.join(", ") : value;
    }

    async text(): Promise<string> {
        const pieces = await this.pieces();
        const [first] = pieces;
        return pieces.length === 1 && first ? first.toString("utf8") : Buffer.concat(pieces).toString("utf8");
    }

    /** The body, in memory of its own: a typed array over it begins at its beginning. */
    async bytes(): Promise<Uint8Array> {
        const length = Number(this.message.headers["content-length"] ?? NaN);
        if (Number.isNaN(length)) return new Uint8Array(Buffer.concat(await this.pieces()));
        const whole = new Uint8Array(length);
        let at = 0;
        await this.each((piece) => {
            whole.set(piece, at);
            at += piece.length;
        });
        return whole;
    }

    private async pieces(): Promise<Buffer[]> {
        const pieces: Buffer[] = [];
        await this.each((piece) => pieces.push(piece));
        return pieces;
    }

    private each(take: (piece: Buffer) => void): Promise<void> {
        const { message } = this;
        return new Promise((resolve, reject) => {
            message.on("data", take);
            message.on("end", resolve);
            message.on("close", () => {
                if (!message.complete) reject(this.lost(message.errored ?? new Error("the server closed the connection")));
            });
        });
    }

    async *chunks(): AsyncIterable<Uint8Array> {
        try {
            // Leaving this loop destroys the message, and so the connection.
            for await (const chunk of this.message as AsyncIterable<Buffer>) yield chunk;
        } catch (error) {
            throw this.lost(error);
        } finally {
            if (!this.message.complete) this.request.destroy();
        }
    }

    private lost(error: unknown): ConnectionLost {
        return new ConnectionLost(this.base, true, error);
    }
}
