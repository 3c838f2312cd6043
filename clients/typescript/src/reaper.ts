/** Releases the objects of handles that the program has dropped. */

import { OPERATIONS } from "./operations.js";
import type { Transport } from "./transport.js";
import type { Handle } from "./handle.js";

/** For how many milliseconds dropped handles are gathered, to be released by one request. */
const GATHER_MS = 100;

interface Dropped {
    readonly id: string;
    readonly session: string | undefined;
}

export class Reaper {
    private readonly registry = new FinalizationRegistry<Dropped>((dropped) => { this.add(dropped); });
    private dropped: Dropped[] = [];

    constructor(private readonly transport: Transport) {}

    watch(handle: Handle, session: string | undefined): void {
        this.registry.register(handle, { id: handle.id, session }, handle);
    }

    forget(handle: Handle): void {
        this.registry.unregister(handle);
    }

    private add(dropped: Dropped): void {
        this.dropped.push(dropped);
        if (this.dropped.length > 1) return;
        const timer: unknown = setTimeout(() => { this.release(); }, GATHER_MS);
        // It keeps no program of Node from ending: the objects end with the session then, or by their lease.
        (timer as { unref?: () => void }).unref?.();
    }

    private release(): void {
        const bySession = new Map<string | undefined, string[]>();
        for (const { id, session } of this.dropped) bySession.set(session, [...(bySession.get(session) ?? []), id]);
        this.dropped = [];
        for (const [session, handleIds] of bySession) {
            const options = session === undefined ? {} : { session };
            // Where the server or the session is gone, so are the objects.
            this.transport.call({ operation: OPERATIONS.dispose, body: { handleIds }, options }).catch(() => undefined);
        }
    }
}
