/** Events out of the pieces of a body: one object a line, or server-sent events. */

import { ProtocolError } from "../errors.js";
import type { WireEvent } from "../transport.js";

/** The lines of a body. What follows the last line end is no line. */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of chunks) {
        const text = decoder.decode(chunk, { stream: true });
        let start = 0;
        for (;;) {
            const end = text.indexOf("\n", start);
            if (end === -1) break;
            yield rest + text.slice(start, end);
            rest = "";
            start = end + 1;
        }
        rest += text.slice(start);
    }
}

/** Events as `application/x-ndjson`. Empty lines keep the connection alive. */
export async function* lineEvents(chunks: AsyncIterable<Uint8Array>): AsyncIterable<WireEvent> {
    for await (const line of lines(chunks)) {
        if (line.trim() !== "") yield parse(line);
    }
}

/** Server-sent events, each with its id. */
export async function* sentEvents(chunks: AsyncIterable<Uint8Array>): AsyncIterable<{ event: WireEvent; id: string | undefined }> {
    let name = "";
    let data: string[] = [];
    let id: string | undefined;
    for await (const raw of lines(chunks)) {
        const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
        if (line === "") {
            if (data.length > 0) yield { event: { ...parse(data.join("\n")), event: name }, id };
            name = "";
            data = [];
            continue;
        }
        const colon = line.indexOf(":");
        if (colon === 0) continue; // a comment
        const field = colon === -1 ? line : line.slice(0, colon);
        const value = colon === -1 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
        if (field === "event") name = value;
        else if (field === "data") data.push(value);
        else if (field === "id") id = value;
    }
}

function parse(text: string): WireEvent {
    try {
        return JSON.parse(text) as WireEvent;
    } catch {
        throw new ProtocolError(200, `an event is no JSON: ${text.slice(0, 200)}`);
    }
}
