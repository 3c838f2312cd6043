/** The events of calls and of sessions, each as the wire has it, with its values read. */

import type { WorkerDeath } from "./errors.js";
import type { LogRecord, Progress } from "./options.js";

/** Output: as text, or as the bytes that were written where `rawOutput` was asked for and they are no UTF-8. */
export interface Output {
    readonly event: "stdout" | "stderr";
    readonly text?: string;
    readonly bytes?: Uint8Array;
    readonly omittedBytes?: number;
}

export interface Display {
    readonly event: "display";
    /** By MIME type. */
    readonly data: Readonly<Record<string, unknown>>;
    readonly metadata?: Readonly<Record<string, unknown>>;
    readonly displayId?: string;
    readonly isUpdate?: boolean;
    readonly isResult?: boolean;
}

export interface ClearOutput {
    readonly event: "clear_output";
    readonly wait: boolean;
}

export interface InputRequest {
    readonly event: "input_request";
    readonly questionId: string;
    readonly prompt: string;
    readonly password?: boolean;
}

/** The last event of an execution that succeeded. */
export interface ResultEvent {
    readonly event: "result";
    /** The value of the last expression, or its handle. */
    readonly value: unknown;
    readonly outputs: Readonly<Record<string, unknown>>;
    readonly sessionEpoch: number;
}

export interface SessionState {
    readonly event: "session";
    readonly sessionId: string;
    readonly sessionEpoch: number;
    readonly death?: WorkerDeath;
}

export type ExecutionEvent =
    | Output
    | Display
    | ClearOutput
    | ({ readonly event: "progress" } & Progress)
    | ({ readonly event: "log" } & LogRecord)
    | InputRequest
    | ResultEvent;

export type SessionEvent = Exclude<ExecutionEvent, ResultEvent> | SessionState;
