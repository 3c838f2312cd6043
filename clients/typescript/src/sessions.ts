/** Sessions: namespaces of their own, each in a process of its own. */

import { readEvent, type Json } from "./caller.js";
import type { Client } from "./client.js";
import { errorOf } from "./errors.js";
import type { SessionEvent } from "./events.js";
import { OPERATIONS } from "./operations.js";
import { Python } from "./python.js";
import type { Interrupted, InterruptOptions, SessionInfo, SessionOptions } from "./session-options.js";
import { problemOf } from "./transport.js";

/** The sessions of a server. */
export class Sessions {
    constructor(private readonly client: Client) {}

    /** Makes a session. It lives until it is deleted, or has been idle for its `idleTimeoutMs`. */
    async create(options: SessionOptions = {}): Promise<Session> {
        const answer = await this.client.caller.ofHost(OPERATIONS.sessionCreate, options as Json);
        return new Session(this.client, String(answer["sessionId"]));
    }

    /** What the server tells of all of them, the default one first. */
    async list(): Promise<SessionInfo[]> {
        return (await this.client.caller.ofHost(OPERATIONS.sessionList))["sessions"] as SessionInfo[];
    }

    /** The session of this id. */
    get(id: string): Session {
        return new Session(this.client, id);
    }

    inspect(id: string): Promise<SessionInfo> {
        return this.get(id).inspect();
    }

    interrupt(id: string, options: InterruptOptions = {}): Promise<Interrupted> {
        return this.get(id).interrupt(options);
    }

    restart(id: string): Promise<number> {
        return this.get(id).restart();
    }

    delete(id: string): Promise<void> {
        return this.get(id).delete();
    }
}

/** One session. */
export class Session extends Python {
    constructor(private readonly client: Client, readonly id: string) {
        super(client.transport, { ...client.defaults, session: id });
    }

    async info(): Promise<SessionInfo> {
        return (await this.client.caller.ofHost(OPERATIONS.sessionGet, {}, this.id)) as unknown as SessionInfo;
    }

    /** The same with the calls that wait, and where each of its threads is. It is not stopped. */
    async inspect(): Promise<SessionInfo> {
        return (await this.client.caller.ofHost(OPERATIONS.sessionInspect, {}, this.id)) as unknown as SessionInfo;
    }

    /** The objects that it keeps for clients. */
    async handles(): Promise<Record<string, unknown>[]> {
        return (await this.client.caller.ofHost(OPERATIONS.sessionHandles, {}, this.id))["handles"] as Json[];
    }

    /** Stops the call that it runs; gives what became of that, and how many that waited were cancelled. */
    async interrupt(options: InterruptOptions = {}): Promise<Interrupted> {
        return (await this.client.caller.ofHost(OPERATIONS.sessionInterrupt, { ...options }, this.id)) as unknown as Interrupted;
    }

    /** Ends its process and goes on, empty; gives the new epoch. */
    async restart(): Promise<number> {
        return Number((await this.client.caller.ofHost(OPERATIONS.sessionRestart, {}, this.id))["sessionEpoch"]);
    }

    async delete(): Promise<void> {
        await this.client.caller.ofHost(OPERATIONS.sessionDelete, {}, this.id);
    }

    /** What happens in it from now on and belongs to no call that runs: output of threads, and that it was restarted. */
    async *events(): AsyncIterable<SessionEvent> {
        const { transport } = this.client;
        const call = { operation: OPERATIONS.sessionEvents, body: {}, options: {}, sessionId: this.id };
        for await (const event of transport.events(call)) {
            if (event.event === "error") throw errorOf(problemOf(event));
            if (event.event === "result") return;
            yield readEvent(event) as unknown as SessionEvent;
        }
    }
}

