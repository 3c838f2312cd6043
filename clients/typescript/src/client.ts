/** A client of a server. */

import { Python } from "./python.js";
import { OPERATIONS } from "./operations.js";
import type { CallOptions } from "./options.js";
import { type Session, Sessions } from "./sessions.js";
import type { Transport } from "./transport.js";

/** What a server tells of itself. */
export interface Health {
    readonly status: string;
    readonly version?: string;
    readonly python?: string;
    readonly environment?: string;
    readonly pid?: number;
    readonly [key: string]: unknown;
}

/** A client. Its own calls go to the server's default session, or to that of its options. */
export class Client extends Python {
    readonly sessions: Sessions;

    /** @internal */
    constructor(transport: Transport, defaults: CallOptions) {
        super(transport, defaults);
        this.sessions = new Sessions(this);
    }

    /** Where the server is. */
    get endpoint(): string {
        return this.transport.endpoint;
    }

    /** Finds out whether the server is there. */
    async health(): Promise<Health> {
        return (await this.caller.ofHost(OPERATIONS.health)) as Health;
    }

    /** The session of this id. */
    session(id: string): Session {
        return this.sessions.get(id);
    }

    /** Closes the connections. Calls that are under way fail. */
    close(): void {
        this.transport.close();
    }
}
