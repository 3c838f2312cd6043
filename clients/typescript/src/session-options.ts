/** What sessions are made of, and what servers tell of them. */

/** The options of a session that is made. */
export interface SessionOptions {
    readonly environment?: string;
    readonly python?: string;
    readonly env?: Readonly<Record<string, string | null>>;
    readonly setup?: string;
    readonly preload?: readonly string[];
    readonly idleTimeoutMs?: number;
    readonly drainMs?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly limits?: Readonly<Record<string, number>>;
}

/** What a server tells of a session. */
export interface SessionInfo {
    readonly sessionId: string;
    readonly sessionEpoch: number;
    readonly pid?: number;
    readonly calls?: number;
    readonly python?: string;
    readonly environment?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [key: string]: unknown;
}

export interface InterruptOptions {
    readonly graceMs?: number;
    /** Whether the calls that wait are cancelled as well. */
    readonly abortQueued?: boolean;
    /** One interrupt, as Ctrl-C: code that catches it goes on. */
    readonly once?: boolean;
}

/** What became of the call that a session ran, and how many that waited were cancelled. */
export interface Interrupted {
    readonly outcome: string;
    readonly aborted: number;
}
