/** The operations of the wire: how each is named over HTTP and over a pipe. */

export interface Operation {
    readonly method: "GET" | "POST" | "DELETE";
    /** The route, with `{sessionId}` in the place of a session. */
    readonly path: string;
    readonly command: string;
    /** Whether it is one of a session, and takes call options. */
    readonly ofSession: boolean;
    /** Whether it may be sent again where a connection was lost: it changes nothing. */
    readonly repeatable: boolean;
}

function ofSession(command: string, word = command): Operation {
    return { method: "POST", path: `/api/${word}`, command, ofSession: true, repeatable: false };
}

function ofHost(method: Operation["method"], path: string, command: string): Operation {
    return { method, path, command, ofSession: false, repeatable: method === "GET" };
}

export const OPERATIONS = {
    eval: ofSession("eval"),
    execute: ofSession("execute"),
    stream: ofSession("stream"),
    next: ofSession("next"),
    import: ofSession("import"),
    create: ofSession("create"),
    call: ofSession("call"),
    invoke: ofSession("invoke"),
    getattr: ofSession("getattr"),
    setattr: ofSession("setattr"),
    getitem: ofSession("getitem"),
    setitem: ofSession("setitem"),
    delitem: ofSession("delitem"),
    len: ofSession("len"),
    contains: ofSession("contains"),
    dir: ofSession("dir"),
    describe: ofSession("describe"),
    value: ofSession("value"),
    await: ofSession("await"),
    wrap: ofSession("wrap"),
    dispose: ofSession("dispose"),
    renew: ofSession("renew"),
    batch: ofSession("batch"),
    answer: ofSession("answer"),
    fetch: ofSession("fetch"),
    put: ofSession("put"),
    toFloatArray: ofSession("tofloatarray"),
    toFloatArray2d: ofSession("tofloatarray2d"),
    moduleAvailable: ofSession("module_available", "module-available"),
    health: ofHost("GET", "/health", "ping"),
    cancel: ofHost("POST", "/api/cancel", "cancel"),
    sessionCreate: ofHost("POST", "/api/sessions", "session_create"),
    sessionList: ofHost("GET", "/api/sessions", "session_list"),
    sessionGet: ofHost("GET", "/api/sessions/{sessionId}", "session_get"),
    sessionInspect: ofHost("GET", "/api/sessions/{sessionId}/inspect", "session_inspect"),
    sessionHandles: ofHost("GET", "/api/sessions/{sessionId}/handles", "session_handles"),
    sessionEvents: ofHost("GET", "/api/sessions/{sessionId}/events", "session_events"),
    sessionInterrupt: ofHost("POST", "/api/sessions/{sessionId}/interrupt", "session_interrupt"),
    sessionRestart: ofHost("POST", "/api/sessions/{sessionId}/restart", "session_restart"),
    sessionDelete: ofHost("DELETE", "/api/sessions/{sessionId}", "session_delete"),
} as const satisfies Record<string, Operation>;
