/** Where clients begin. */

import { Client } from "./client.js";
import { readEndpoint, isLoopback, type Endpoint } from "./endpoint.js";
import { InvalidEndpoint, UntrustedServer } from "./errors.js";
import { type Fetch, FetchRequester } from "./http/fetch.js";
import { HttpTransport } from "./http/transport.js";
import type { CallOptions } from "./options.js";
import type { Transport } from "./transport.js";

export interface ConnectOptions extends Omit<CallOptions, "requestId" | "signal" | "callback"> {
    /** The token, where the server wants one. It goes over TLS, or to a server of the own user on this machine. */
    readonly token?: string;
    /** Lets the token go to any server, also without TLS: who listens there could take it, and run code with it. */
    readonly allowInsecureToken?: boolean;
    /** Over TLS, in Node: the fingerprint (SHA-256) of the server's certificate, or the authorities to trust, in PEM. */
    readonly certificate?: string;
    /** A function like `fetch` that makes the requests. In Node it replaces the client's own HTTP, which knows whose server it talks to. */
    readonly fetch?: Fetch;
}

/**
 * A client of the server at `url`: `http://127.0.0.1:5678`, `https://…`, and in Node `unix:/path/of/the.sock` or `pipe:NAME`. Without one,
 * of the running server of this user, as its record in the home says (in Node). No connection is made before it is needed; `health` finds
 * out whether the server is there.
 */
export async function connect(url?: string, options: ConnectOptions = {}): Promise<Client> {
    // What is kept for calls has no token.
    const { token: _, allowInsecureToken: __, certificate: ___, fetch: ____, ...defaults } = options;
    return new Client(await transportTo(url, options), defaults);
}

async function transportTo(url: string | undefined, options: ConnectOptions): Promise<Transport> {
    if (isNode()) {
        const platform = await import("./node/platform.js");
        if (url === undefined) return platform.discovered(options);
        const endpoint = readEndpoint(url);
        if (endpoint.kind === "pipe" || !options.fetch) return platform.transportTo(endpoint, options);
        return overFetch(endpoint, options);
    }
    if (url === undefined) throw new InvalidEndpoint("", "a browser finds no servers by itself: give the url");
    return overFetch(readEndpoint(url), options);
}

function overFetch(endpoint: Endpoint, options: ConnectOptions): Transport {
    if (endpoint.kind === "pipe") throw new InvalidEndpoint(endpoint.text, "a browser reaches servers by http and https alone");
    const { base, tls, host } = endpoint;
    if (endpoint.fingerprint !== undefined || options.certificate !== undefined) {
        throw new InvalidEndpoint(base, "`fetch` checks certificates by the authorities that it trusts: it takes neither a fingerprint nor a certificate");
    }
    if (options.token !== undefined && !tls && options.allowInsecureToken !== true) {
        const where = isLoopback(host) ? "`fetch` does not tell which user listens there" : "the connection is not encrypted";
        throw new UntrustedServer(base, `${where}; use https, or the option allowInsecureToken, to send the token`);
    }
    const send: Fetch = options.fetch ?? ((input, init) => fetch(input, init));
    return new HttpTransport(base, new FetchRequester(base, send), options.token);
}

function isNode(): boolean {
    return typeof process === "object" && typeof process.versions === "object" && typeof process.versions.node === "string";
}
