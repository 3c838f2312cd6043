/** One HTTP request and its answer, by Node or by `fetch`. */

export interface HttpRequest {
    readonly method: string;
    readonly path: string;
    readonly headers: Record<string, string>;
    readonly body: string | Uint8Array | undefined;
    /** Whether it may be sent again where the connection was lost. */
    readonly repeatable: boolean;
    /** Whether the answer is read as it arrives, and the request ends when its reader leaves. */
    readonly streamed: boolean;
}

export interface HttpResponse {
    readonly status: number;
    header(name: string): string | undefined;
    text(): Promise<string>;
    bytes(): Promise<Uint8Array>;
    /** The body as it arrives. Leaving the loop ends the request. */
    chunks(): AsyncIterable<Uint8Array>;
}

export interface Requester {
    send(request: HttpRequest): Promise<HttpResponse>;
    close(): void;
}
