/** What can go wrong with a call. Programs look at `code`, which never changes its meaning, or at the class. */

/** A frame of a traceback; the outermost comes first. */
export interface Frame {
    readonly file: string;
    readonly line: number;
    readonly function: string;
    readonly code?: string;
    readonly column?: number;
    readonly endLine?: number;
    readonly endColumn?: number;
    readonly caret?: string;
    readonly locals?: Readonly<Record<string, string>>;
}

/** An exception of Python's, as the wire describes it. */
export interface PythonException {
    readonly type: string;
    readonly message: string;
    readonly traceback?: readonly Frame[];
    readonly text?: string;
    readonly cause?: PythonException;
    readonly context?: PythonException;
    readonly notes?: readonly string[];
    readonly exceptions?: readonly PythonException[];
    readonly suggestion?: string;
    readonly syntax?: { readonly file: string; readonly line: number; readonly column?: number; readonly text?: string; readonly caret?: string };
    readonly exitStatus?: number;
    readonly exitMessage?: string;
}

/** How the worker of a session ended. */
export interface WorkerDeath {
    readonly pid?: number;
    readonly exitCode?: number;
    readonly signal?: number;
    readonly signalName?: string;
    readonly cause?: string;
    readonly peakMemoryBytes?: number;
    readonly stderrTail?: string;
    readonly fault?: string;
}

/** What became of a call that was stopped. */
export type Outcome = "not_found" | "finished" | "not_started" | "interrupted" | "state_kept" | "state_lost";

/** An error as a server sends it. */
export interface Problem {
    readonly code: string;
    readonly title?: string;
    readonly status?: number;
    readonly detail?: string;
    readonly outcome?: Outcome;
    readonly started?: boolean;
    readonly exception?: PythonException;
    readonly traceback?: readonly Frame[];
    readonly death?: WorkerDeath;
    readonly stdout?: string;
    readonly stderr?: string;
    readonly sessionEpoch?: number;
    readonly [key: string]: unknown;
}

/** The base of all errors of this client. */
export class BeepPythonError extends Error {
    override name = "BeepPythonError";
    /** A word for programs: one of the wire, or `connection_lost` and the like for errors of the client's own. */
    readonly code: string;
    readonly detail: string;
    /** What became of a call that was stopped. */
    readonly outcome: Outcome | undefined;
    /** What the call had printed. */
    readonly stdout: string;
    readonly stderr: string;
    /** All that the server said. */
    readonly problem: Problem | undefined;

    constructor(code: string, detail: string, options: { message?: string; problem?: Problem; cause?: unknown } = {}) {
        super(options.message ?? detail, options.cause === undefined ? undefined : { cause: options.cause });
        this.code = code;
        this.detail = detail;
        this.problem = options.problem;
        this.outcome = options.problem?.outcome;
        this.stdout = options.problem?.stdout ?? "";
        this.stderr = options.problem?.stderr ?? "";
    }

    /** Whether the session kept its state, where the call was stopped; undefined where nothing threatened it. */
    get stateKept(): boolean | undefined {
        return this.outcome === undefined ? undefined : this.outcome !== "state_lost";
    }
}

/** Python code raised an exception; the server carried out the call. */
export class PythonError extends BeepPythonError {
    /** The type, with its module unless it is a builtin: `json.decoder.JSONDecodeError`. */
    readonly type: string;
    readonly traceback: readonly Frame[];
    /** All of it as Python prints it. */
    readonly text: string;
    readonly exception: PythonException;

    constructor(problem: Problem, exception: PythonException) {
        super(problem.code, problem.detail ?? exception.type, { message: exception.message, problem });
        this.type = exception.type;
        this.name = `PythonError [${exception.type}]`;
        this.traceback = exception.traceback ?? [];
        this.text = exception.text ?? this.detail;
        this.exception = exception;
    }
}

/** A call was stopped: by its deadline, a cancel, or a limit. */
class Stopped extends BeepPythonError {
    constructor(problem: Problem, cause?: unknown) {
        super(problem.code, problem.detail ?? problem.code, { problem, cause });
    }

    /** The exception that ended the code, with the traceback of where it was. */
    get exception(): PythonException | undefined {
        return this.problem?.exception;
    }
}

/** The deadline of the call passed. */
export class DeadlineExceeded extends Stopped {
    override name = "DeadlineExceeded";
}

/** The call was cancelled. `cause` is the reason of its signal, if it has one. */
export class Cancelled extends Stopped {
    override name = "Cancelled";
}

/** The call exceeded a limit of its own, or of its session. */
export class LimitExceeded extends Stopped {
    override name = "LimitExceeded";
}

/** The worker process of the session ended by itself. */
export class WorkerDied extends Stopped {
    override name = "WorkerDied";

    get death(): WorkerDeath | undefined {
        return this.problem?.death;
    }
}

/** The object is not held any more, or never was. */
export class HandleGone extends Stopped {
    override name = "HandleGone";
}

/** The session is not there, has expired, or was restarted before the call ended. */
export class SessionGone extends Stopped {
    override name = "SessionGone";
}

/** The client may not do this, or showed no valid token. */
export class AccessDenied extends Stopped {
    override name = "AccessDenied";
}

/** The server has as much to do as it takes; to try again later is worth while. */
export class ServerBusy extends Stopped {
    override name = "ServerBusy";
}

/** No connection could be made: nothing was sent. */
export class ConnectionFailed extends BeepPythonError {
    override name = "ConnectionFailed";

    constructor(readonly endpoint: string, cause: unknown) {
        super("connection_failed", `cannot connect to ${endpoint}: ${reasonOf(cause)}`, { cause });
    }
}

/** The connection broke before the whole answer had arrived. Such a call is never sent again by itself. */
export class ConnectionLost extends BeepPythonError {
    override name = "ConnectionLost";

    constructor(readonly endpoint: string, readonly mayHaveRun: boolean, cause: unknown) {
        const ran = mayHaveRun ? "; the call may have run" : " before the call was sent";
        super("connection_lost", `the connection to ${endpoint} was lost${ran}: ${reasonOf(cause)}`, { cause });
    }
}

/** The server may not have what would be sent. Nothing was sent. */
export class UntrustedServer extends BeepPythonError {
    override name = "UntrustedServer";

    constructor(readonly endpoint: string, reason: string) {
        super("untrusted_server", `nothing was sent to ${endpoint}: ${reason}`);
    }
}

/** The text is no endpoint, or none that this program can use. */
export class InvalidEndpoint extends BeepPythonError {
    override name = "InvalidEndpoint";

    constructor(endpoint: string, reason: string) {
        super("invalid_endpoint", `\`${endpoint}\` is no endpoint: ${reason}`);
    }
}

/** A value has no form on the wire. Nothing was sent. */
export class EncodeError extends BeepPythonError {
    override name = "EncodeError";

    constructor(detail: string) {
        super("not_encodable", detail);
    }
}

/** The answer cannot be read as a value of JavaScript. The call ran. */
export class DecodeError extends BeepPythonError {
    override name = "DecodeError";

    constructor(detail: string, code = "not_decodable") {
        super(code, detail);
    }
}

/** The answer does not follow the protocol: another program may listen there. */
export class ProtocolError extends BeepPythonError {
    override name = "ProtocolError";

    constructor(readonly status: number, detail: string) {
        super("protocol_error", `unexpected answer (status ${String(status)}): ${detail}`);
    }
}

type StoppedClass = new (problem: Problem, cause?: unknown) => BeepPythonError;

const CLASSES = new Map<string, StoppedClass>([
    ["deadline_exceeded", DeadlineExceeded],
    ["cancelled", Cancelled],
    ...["cpu_time_exceeded", "memory_exceeded", "too_many_processes", "too_many_handles", "result_too_large", "too_much_data"].map(
        (code): [string, StoppedClass] => [code, LimitExceeded],
    ),
    ["worker_died", WorkerDied],
    ...["unknown_handle", "handle_lost", "handle_expired"].map((code): [string, StoppedClass] => [code, HandleGone]),
    ...["unknown_session", "session_expired", "session_restarted"].map((code): [string, StoppedClass] => [code, SessionGone]),
    ...["unauthorized", "forbidden", "forbidden_host", "forbidden_origin"].map((code): [string, StoppedClass] => [code, AccessDenied]),
    ...["queue_full", "too_many_sessions", "overloaded"].map((code): [string, StoppedClass] => [code, ServerBusy]),
]);

/** The error of a problem that a server sent. */
export function errorOf(problem: Problem, cause?: unknown): BeepPythonError {
    if (problem.code === "python_exception" && problem.exception) return new PythonError(problem, problem.exception);
    const known = CLASSES.get(problem.code);
    if (known) return new known(problem, cause);
    return new BeepPythonError(problem.code, problem.detail ?? problem.title ?? problem.code, { problem, cause });
}

/** The error of an answer whose status says that it is one; it need not be from one of our servers. */
export function errorOfBody(status: number, body: string): BeepPythonError {
    try {
        const problem = JSON.parse(body) as Partial<Problem> | null;
        if (typeof problem?.code === "string") return errorOf(problem as Problem);
    } catch {
        // Not JSON: shown as it is.
    }
    return new ProtocolError(status, body.slice(0, 200) || "it has no body");
}

function reasonOf(cause: unknown): string {
    if (!(cause instanceof Error)) return String(cause);
    const inner = cause.cause instanceof Error ? cause.cause : cause;
    const code = (inner as NodeJS.ErrnoException).code;
    return inner.message || code || inner.name;
}
