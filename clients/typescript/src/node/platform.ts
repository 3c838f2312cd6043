/** What only Node has: sockets, files, and the certificates that they hold. */

import { readFileSync } from "node:fs";
import type { ConnectionOptions } from "node:tls";

import type { ConnectOptions } from "../connect.js";
import { type Endpoint, normalFingerprint } from "../endpoint.js";
import { BeepPythonError } from "../errors.js";
import { HttpTransport } from "../http/transport.js";
import { PipeTransport } from "../pipe/transport.js";
import type { Transport } from "../transport.js";
import { endpointOfServer } from "./discover.js";
import { NodeRequester } from "./http.js";

/** The way to the running server of this user. */
export function discovered(options: ConnectOptions): Transport {
    const { endpoint, token, fingerprint } = endpointOfServer();
    const known = endpoint.kind === "http" && fingerprint !== undefined ? { ...endpoint, fingerprint } : endpoint;
    return transportTo(known, token === undefined || options.token !== undefined ? options : { ...options, token });
}

export function transportTo(endpoint: Endpoint, options: ConnectOptions): Transport {
    const { token, allowInsecureToken = false, certificate } = options;
    if (endpoint.kind === "pipe") return new PipeTransport(endpoint, token);
    const isPem = certificate?.includes("-----BEGIN") === true;
    const fingerprint = certificate !== undefined && !isPem ? normalFingerprint(certificate, endpoint.base) : endpoint.fingerprint;
    const tls = endpoint.tls ? tlsOptions(isPem ? certificate : undefined) : {};
    const requester = new NodeRequester(endpoint, { hasToken: token !== undefined, allowInsecureToken, tls, fingerprint });
    return new HttpTransport(endpoint.base, requester, token);
}

function tlsOptions(authorities: string | undefined): ConnectionOptions {
    const ca = authorities ?? fileOf("BEEP_PYTHON_CA_FILE");
    const [cert, key] = [fileOf("BEEP_PYTHON_CERT_FILE"), fileOf("BEEP_PYTHON_KEY_FILE")];
    return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) };
}

function fileOf(variable: string): string | undefined {
    const path = process.env[variable];
    if (path === undefined || path === "") return undefined;
    try {
        return readFileSync(path, "utf8");
    } catch (cause) {
        throw new BeepPythonError("unreadable_file", `cannot read ${path}, which ${variable} names: ${(cause as Error).message}`, { cause });
    }
}
