/** The options of calls. */

import type { Output } from "./events.js";

/** What a call may use; a session's own limits hold as well. */
export interface Limits {
    readonly cpuMs?: number;
    readonly memoryGrowthBytes?: number;
    readonly handles?: number;
    readonly outputBytes?: number;
    readonly resultBytes?: number;
}

/** Options of any call of a session. */
export interface CallOptions {
    /** The session; the client's own otherwise. */
    readonly session?: string;
    /** The deadline, counted from the call's arrival. */
    readonly timeoutMs?: number;
    /** How long the call may take to stop when interrupted, before its worker is killed. */
    readonly graceMs?: number;
    readonly limits?: Limits;
    /** How long handles that the call makes live unused. */
    readonly leaseMs?: number;
    /** An id by which the call can be cancelled; one is made where there is a `signal`. */
    readonly requestId?: string;
    /** Whether the call is cancelled when the connection ends. */
    readonly cancelOnDisconnect?: boolean;
    /** Whether exceptions come with the variables of their frames. */
    readonly tracebackLocals?: boolean;
    readonly traceparent?: string;
    readonly tracestate?: string;
    /** The question that the call is nested in; `CallbackCall.python` sets it. */
    readonly callback?: string;
    /** Cancels the call when it is aborted. The promise settles when the call has ended, with what became of it. */
    readonly signal?: AbortSignal;
    /** Whether ints that a number does not hold exactly come as bigint; without it they are a `DecodeError`. */
    readonly bigints?: boolean;
}

/** The lines that answer `input()`: in order, or what a function gives for each prompt. After the last, and for null, input ends. */
export type Stdin =
    | Iterable<string>
    | AsyncIterable<string>
    | ((prompt: string, password: boolean) => string | null | undefined | Promise<string | null | undefined>);

/** How far code is, as it tells by `beep_python.progress`. */
export interface Progress {
    readonly done: number;
    readonly total?: number;
    readonly message?: string;
}

/** A record that reached Python's root logger. */
export interface LogRecord {
    readonly level: string;
    readonly logger: string;
    readonly message: string;
}

/** What a call tells while it runs. */
export interface EventOptions {
    /** Answers `input()`. Without it, `input()` raises `EOFError`. */
    readonly stdin?: Stdin;
    /** Takes output as it is written. */
    readonly onOutput?: (text: string, stream: "stdout" | "stderr", event: Output) => void;
    readonly onProgress?: (progress: Progress) => void;
    readonly onLog?: (record: LogRecord) => void;
}

/** Options of calls whose result may be a value or a handle. */
export interface ResultOptions extends CallOptions, EventOptions {
    /** `true` asks for the object itself, as a handle. */
    readonly asHandle?: boolean;
}

/** Options of what calls something. */
export interface ArgumentOptions extends ResultOptions {
    /** Keyword arguments. */
    readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** Options of code. */
export interface EvalOptions extends ResultOptions {
    /** Names of this call alone. Nothing that the code binds persists where there are any. */
    readonly locals?: Readonly<Record<string, unknown>>;
    /** Evaluates in a worker of its own, which sees nothing of the session. */
    readonly isolated?: boolean;
}

/** Options of streams. */
export interface StreamOptions extends Omit<EvalOptions, "isolated" | "asHandle">, Pick<ArgumentOptions, "kwargs"> {
    /** Of a handle: iterates over what this method returns. */
    readonly method?: string;
    readonly args?: readonly unknown[];
    /** Takes what the generator returns at its end. */
    readonly onReturn?: (value: unknown) => void;
    /** Whether handles of items outlive the stream. */
    readonly keep?: boolean;
}

/** Options of executions, whose events the program follows. */
export interface ExecuteOptions extends Omit<EvalOptions, "isolated"> {
    /** Names whose objects come with the result. */
    readonly outputs?: readonly string[];
    /** Which further events are told: progress and log records as the code tells them. Both are, unless this is false. */
    readonly progress?: boolean;
    readonly log?: boolean;
    /** Whether output that is no UTF-8 comes as `bytes`. */
    readonly rawOutput?: boolean;
}

const WIRE_OPTIONS = [
    "session", "timeoutMs", "graceMs", "limits", "leaseMs", "requestId", "cancelOnDisconnect", "tracebackLocals", "traceparent", "tracestate",
    "callback", "isolated",
] as const;

/** The options as the wire has them. */
export function wireOptions(options: CallOptions & { isolated?: boolean }): Record<string, unknown> {
    const wire: Record<string, unknown> = {};
    for (const name of WIRE_OPTIONS) {
        const value = options[name];
        if (value !== undefined) wire[name] = value;
    }
    return wire;
}
