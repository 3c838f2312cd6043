/** The address of a server. */

import { InvalidEndpoint } from "./errors.js";

export type Endpoint =
    | { readonly kind: "http"; readonly host: string; readonly port: number; readonly tls: boolean; readonly fingerprint?: string; readonly base: string }
    | { readonly kind: "pipe"; readonly text: string; readonly path: string | undefined; readonly name: string | undefined };

const DEFAULT_PORT = 5678;
const WINDOWS_PIPE = "\\\\.\\pipe\\";

/** Reads `http://127.0.0.1:5678`, `https://box.example?fingerprint=AB:CD:…`, `unix:/path/of/the.sock`, or `pipe:NAME`; without a scheme it is HTTP. */
export function readEndpoint(given: string): Endpoint {
    const text = given.trim();
    if (text.startsWith("unix:") || text.startsWith("pipe:") || text.startsWith(WINDOWS_PIPE)) return readPipe(text);
    return readHttp(text);
}

function readPipe(text: string): Endpoint {
    if (text.startsWith("unix:")) {
        const path = text.slice("unix:".length);
        if (!path.startsWith("/")) throw new InvalidEndpoint(text, "the path of a socket must be absolute");
        return { kind: "pipe", text, path, name: undefined };
    }
    let name = text.startsWith("pipe:") ? text.slice("pipe:".length) : text;
    if (name.startsWith(WINDOWS_PIPE)) name = name.slice(WINDOWS_PIPE.length);
    if (name.startsWith("/")) return { kind: "pipe", text, path: name, name: undefined };
    if (name === "") throw new InvalidEndpoint(text, "it names no pipe");
    if (name.includes("/") || name.includes("\0")) throw new InvalidEndpoint(text, "the name of a pipe has no `/`");
    return { kind: "pipe", text, path: undefined, name };
}

function readHttp(text: string): Endpoint {
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
    if (scheme !== undefined && scheme !== "http" && scheme !== "https") {
        throw new InvalidEndpoint(text, "it must begin with http://, https://, unix: or pipe:");
    }
    const url = parseUrl(text, scheme === undefined ? `http://${text}` : text);
    if (url.username !== "" || url.password !== "") throw new InvalidEndpoint(text, "credentials do not belong in an address");
    if (url.pathname !== "/" || url.hash !== "") throw new InvalidEndpoint(text, "it must end after the port");
    const tls = scheme === "https";
    const fingerprint = readFingerprint(text, url.search, tls);
    // `URL` leaves out the default port of its scheme, which is not ours.
    const stated = /:(\d+)$/.exec(text.replace(/^[a-z]+:\/\//i, "").replace(/[/?].*$/, ""))?.[1];
    const port = stated === undefined ? DEFAULT_PORT : Number(stated);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const base = `${tls ? "https" : "http"}://${url.hostname}:${String(port)}`;
    return { kind: "http", host, port, tls, base, ...(fingerprint === undefined ? {} : { fingerprint }) };
}

function parseUrl(text: string, url: string): URL {
    try {
        return new URL(url);
    } catch {
        throw new InvalidEndpoint(text, "it is not of the form http://HOST:PORT");
    }
}

function readFingerprint(text: string, search: string, tls: boolean): string | undefined {
    if (search === "") return undefined;
    if (!tls || !search.startsWith("?fingerprint=")) {
        throw new InvalidEndpoint(text, "it must end after the port; over TLS, ?fingerprint= may follow");
    }
    return normalFingerprint(decodeURIComponent(search.slice("?fingerprint=".length)), text);
}

/** A fingerprint as Node shows those of certificates: `AB:CD:…`. */
export function normalFingerprint(given: string, endpoint: string): string {
    const digits = given.replaceAll(":", "").toUpperCase();
    if (!/^[0-9A-F]{64}$/.test(digits)) {
        throw new InvalidEndpoint(endpoint, "a fingerprint is the SHA-256 of a certificate, 64 hexadecimal digits");
    }
    return digits.replace(/..(?=.)/g, "$&:");
}

/** Whether a host is this machine by its name alone. */
export function isLoopback(host: string): boolean {
    return host === "localhost" || host === "::1" || /^127(\.\d+){3}$/.test(host);
}
