/** Carries out a case through the client's public interface. */

import assert from "node:assert/strict";

import { BeepPythonError, type Client, type EvalOptions, type ExecutionEvent, Handle, NdArray, type Python, Session } from "../../src/index.js";
import { runBatch } from "./batch.js";
import type { Case, Fields, Step } from "./cases.js";
import { check, type Done } from "./expectations.js";
import { base64, read } from "./values.js";

interface Started {
    readonly done: Promise<Done>;
}

export class Runner {
    private readonly saved = new Map<string, unknown>();
    private readonly started = new Map<string, Started>();

    constructor(private readonly client: Client, private readonly own: Session) {}

    async run(given: Case): Promise<void> {
        for (const [at, step] of given.steps.entries()) {
            try {
                await this.step(step);
            } catch (error) {
                throw new Error(`step ${String(at)}, ${JSON.stringify(step).slice(0, 300)}: ${(error as Error).message}`, { cause: error });
            }
        }
    }

    private async step(step: Step): Promise<void> {
        if (typeof step["start"] === "string") {
            await this.startInBackground(step["start"], step);
            return;
        }
        const joined = step.do === "join" ? this.started.get(String(step["started"])) : undefined;
        const done = await (joined?.done ?? this.perform(step, () => undefined));
        if (typeof step["save"] === "string") this.saved.set(step["save"], done.result);
        check(done, step.expect, (value) => this.read(value), (name) => (this.saved.get(name) as Session | undefined)?.id);
    }

    /** Begins a step, and goes on when its output has the text that it is waited for. */
    private startInBackground(name: string, step: Step): Promise<void> {
        return new Promise((resolve) => {
            let printed = "";
            const done = this.perform(step, (text) => {
                printed += text;
                if (printed.includes(String(step["until"]))) resolve();
            });
            this.started.set(name, { done });
            void done.then(() => { resolve(); });
        });
    }

    private async perform(step: Step, onStdout: (text: string) => void): Promise<Done> {
        const done: Done = { result: undefined, stdout: "", stderr: "", events: [], items: [] };
        try {
            done.result = await this.operation(step, done, onStdout);
        } catch (error) {
            if (!(error instanceof BeepPythonError)) throw error;
            done.error = error;
            done.stdout = error.stdout;
            done.stderr = error.stderr;
        }
        return done;
    }

    private async operation(step: Step, done: Done, onStdout: (text: string) => void): Promise<unknown> {
        const python = this.pythonOf(step);
        const options = this.options(step);
        const args = (this.read(step["args"] ?? []) as unknown[]);
        const named = { ...options, kwargs: this.read(step["kwargs"] ?? {}) as Fields };
        const handle = typeof step["handle"] === "string" ? (this.saved.get(step["handle"]) as Handle) : undefined;
        const object = (): Handle => handle ?? assert.fail("the step names no handle");
        const value = this.read(step["value"]);
        switch (step.do) {
            case "eval": {
                const evaluation = await python.evaluate(String(step["expression"]), options);
                Object.assign(done, evaluation);
                return evaluation.value;
            }
            case "import": return python.importModule(String(step["moduleName"]), options);
            case "create": return python.create(object(), String(step["className"]), args, named);
            case "call": return object().call(String(step["methodName"]), args, named);
            case "invoke": return object().invoke(args, named);
            case "getattr": return object().get(String(step["attributeName"]), options);
            case "setattr": return object().set(String(step["attributeName"]), value, options);
            case "getitem": return object().item(this.read(step["key"]), options);
            case "setitem": return object().setItem(this.read(step["key"]), value, options);
            case "delitem": return object().deleteItem(this.read(step["key"]), options);
            case "len": return object().length(options);
            case "contains": return object().has(this.read(step["item"]), options);
            case "dir": return object().dir(options);
            case "describe": return object().describe(options);
            case "value": return object().value(options);
            case "await": return object().await(options);
            case "wrap": return python.wrap(value, options);
            case "dispose": return object().dispose(options);
            case "renew": return object().renew(options);
            case "module_available": return python.moduleAvailable(String(step["moduleName"]), options);
            case "tofloatarray": return Array.from(await python.toFloatArray(object(), options));
            case "tofloatarray2d": return (await python.toFloatArray2d(object(), options)).map((row) => Array.from(row));
            case "batch": return runBatch(python, step, options, (given, result) => read(given, (name) => this.saved.get(name), result));
            case "execute": return this.execute(python, step, options, done, onStdout);
            case "stream": {
                for await (const item of python.stream(handle ?? String(step["expression"]), options)) done.items.push(item);
                return undefined;
            }
            case "create_session": return this.client.sessions.create((step["options"] ?? {}));
            case "delete_session": return this.sessionOf(step).delete();
            case "restart_session": return this.sessionOf(step).restart();
            case "interrupt_session": return (await this.sessionOf(step).interrupt(step["abortQueued"] === true ? { abortQueued: true } : {})).outcome;
            case "list_sessions": return (await this.client.sessions.list()).map((session) => session.sessionId);
            case "cancel": return this.client.cancel(String(step["requestId"]));
            case "health": return { status: (await this.client.health()).status };
            case "put": return this.put(python, step);
            case "fetch": {
                const kind = step["kind"] as "array" | "bytes";
                return python.fetch(handle ?? String(step["expression"]), { ...options, kind });
            }
            default: assert.fail(`the operation ${step.do} is not known`);
        }
    }

    private async execute(python: Python, step: Step, options: EvalOptions, done: Done, onStdout: (text: string) => void): Promise<unknown> {
        let result: unknown;
        for await (const event of python.execute(String(step["expression"]), options)) {
            if (event.event === "result") result = event.value;
            else addEvent(done.events, event);
            if (event.event === "stdout") onStdout(event.text ?? "");
        }
        return result;
    }

    private put(python: Python, step: Step): Promise<unknown> {
        const { kind, dtype, shape, bytes } = step["datum"] as { kind: string; dtype: string; shape: number[]; bytes: string };
        const data = kind === "array" ? new NdArray(dtype, shape, base64(bytes)) : base64(bytes);
        return typeof step["name"] === "string" ? python.put(data, { name: step["name"] }) : python.put(data);
    }

    private options(step: Step): EvalOptions & { outputs?: string[] } {
        const options: Fields = {};
        for (const name of ["timeoutMs", "graceMs", "leaseMs", "limits", "requestId", "isolated", "tracebackLocals", "outputs", "stdin"]) {
            if (step[name] !== undefined) options[name] = step[name];
        }
        if (step["returnHandle"] === true) options["asHandle"] = true;
        if (step["locals"] !== undefined) options["locals"] = this.read(step["locals"]);
        return options;
    }

    private pythonOf(step: Step): Session {
        return typeof step["session"] === "string" ? this.sessionOf(step) : this.own;
    }

    private sessionOf(step: Step): Session {
        return typeof step["session"] === "string" ? (this.saved.get(step["session"]) as Session) : this.own;
    }

    private read(value: unknown): unknown {
        return read(value, (name) => this.saved.get(name));
    }
}

/** Neighbouring texts of one stream are one event. */
function addEvent(events: Fields[], event: ExecutionEvent): void {
    const last = events.at(-1);
    if ((event.event === "stdout" || event.event === "stderr") && last?.["event"] === event.event) {
        events[events.length - 1] = { ...last, text: String(last["text"]) + (event.text ?? "") };
    } else events.push(event as unknown as Fields);
}
