/** HTTP by `fetch`: in browsers, and wherever a program gives one. */

import { ConnectionFailed, ConnectionLost } from "../errors.js";
import type { HttpRequest, HttpResponse, Requester } from "./requester.js";

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

export class FetchRequester implements Requester {
    constructor(private readonly base: string, private readonly fetch: Fetch) {}

    async send(request: HttpRequest): Promise<HttpResponse> {
        const abort = new AbortController();
        const init: RequestInit = { method: request.method, headers: request.headers, signal: abort.signal, cache: "no-store", redirect: "error" };
        if (request.body !== undefined) init.body = request.body as BodyInit;
        let response: Response;
        try {
            response = await this.fetch(this.base + request.path, init);
        } catch (error) {
            throw this.failed(error);
        }
        return new FetchResponse(response, this.base, abort);
    }

    close(): void {
        // Connections are the browser's own.
    }

    private failed(error: unknown): Error {
        // Node tells that no connection was made; a browser tells nothing, so the call may have run.
        const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
        const unsent = code === "ECONNREFUSED" || code === "ENOTFOUND" || code === "EHOSTUNREACH" || code === "ENETUNREACH";
        return unsent ? new ConnectionFailed(this.base, error) : new ConnectionLost(this.base, true, error);
    }
}

class FetchResponse implements HttpResponse {
    readonly status: number;

    constructor(private readonly response: Response, private readonly base: string, private readonly abort: AbortController) {
        this.status = response.status;
    }

    header(name: string): string | undefined {
        return this.response.headers.get(name) ?? undefined;
    }

    async text(): Promise<string> {
        return this.whole(this.response.text());
    }

    async bytes(): Promise<Uint8Array> {
        return new Uint8Array(await this.whole(this.response.arrayBuffer()));
    }

    async *chunks(): AsyncIterable<Uint8Array> {
        const reader = this.response.body?.getReader();
        if (!reader) return;
        let ended = false;
        try {
            for (;;) {
                const { done, value } = await this.whole(reader.read());
                if (done) break;
                yield value;
            }
            ended = true;
        } finally {
            if (!ended) this.abort.abort();
        }
    }

    private async whole<T>(reading: Promise<T>): Promise<T> {
        try {
            return await reading;
        } catch (error) {
            throw new ConnectionLost(this.base, true, error);
        }
    }
}
