/** Answers what Python code asks while a call runs: lines of input, and calls of callbacks. */

import type { Callbacks } from "./callback.js";
import { BeepPythonError, PythonError } from "./errors.js";
import type { Stdin } from "./options.js";
import type { Python } from "./python.js";
import type { WireEvent } from "./transport.js";
import { encode } from "./values/encode.js";

interface Asker {
    answer(answer: Record<string, unknown>): Promise<void>;
    /** Reads an argument: a value or a handle. */
    read(value: unknown): unknown;
    nested(questionId: string): Python;
}

type Lines = (prompt: string, password: boolean) => Promise<string | null | undefined>;

export class Questions {
    private lines: Lines | undefined;
    /** Lines are read one after the other, in the order in which they were asked for. */
    private last: Promise<unknown> = Promise.resolve();
    private leave: (() => void) | undefined;

    constructor(private readonly callbacks: Callbacks, private readonly stdin: Stdin | undefined, private readonly asker: Asker) {}

    /** Begins to answer a question; the events go on meanwhile. */
    take(event: WireEvent): void {
        const questionId = String(event["questionId"]);
        if (event.event === "callback") void this.reply(questionId, this.run(event, questionId));
        else {
            const line = this.last.then(() => this.line(event));
            this.last = line.catch(() => undefined);
            void this.reply(questionId, line);
        }
    }

    /** Takes no more lines of input, and says so to their generator. */
    end(): void {
        this.leave?.();
    }

    private async reply(questionId: string, answering: Promise<Record<string, unknown>>): Promise<void> {
        try {
            await this.send({ questionId, ...(await answering) });
        } catch (error) {
            // The call may have ended, or its connection: then it says so itself. Else the code is told.
            await this.send({ questionId, error: describe(error) }).catch(() => undefined);
        }
    }

    private async send(answer: Record<string, unknown>): Promise<void> {
        try {
            await this.asker.answer(answer);
        } catch (error) {
            if (!(error instanceof BeepPythonError) || error.code !== "unknown_question") throw error;
        }
    }

    private async line(event: WireEvent): Promise<Record<string, unknown>> {
        this.lines ??= this.readerOf(this.stdin ?? []);
        const line = await this.lines(typeof event["prompt"] === "string" ? event["prompt"] : "", event["password"] === true);
        return line === null || line === undefined ? { eof: true } : { value: encode(line) };
    }

    private readerOf(stdin: Stdin): Lines {
        if (typeof stdin === "function") return async (prompt, password) => stdin(prompt, password);
        const given = typeof stdin === "string" ? stdin.split("\n") : stdin;
        const iterator = Symbol.asyncIterator in given ? given[Symbol.asyncIterator]() : given[Symbol.iterator]();
        this.leave = () => { void iterator.return?.(); };
        return async () => {
            const next = await iterator.next();
            return next.done === true ? null : next.value;
        };
    }

    private async run(event: WireEvent, questionId: string): Promise<Record<string, unknown>> {
        const name = String(event["name"]);
        const found = this.callbacks.find(name);
        if (!found) return { error: `the client has no function ${name}` };
        const args = (event["args"] as unknown[]).map((value) => this.asker.read(value));
        const kwargs: Record<string, unknown> = {};
        for (const [key, value] of Object.entries(event["kwargs"] ?? {})) kwargs[key] = this.asker.read(value);
        try {
            const value = await found.run({ args, kwargs, python: this.asker.nested(questionId) });
            return { value: encode(value) };
        } catch (error) {
            return { error: describe(error) };
        }
    }
}

/** An error as Python raises it: of the same type, where Python has that. */
function describe(error: unknown): unknown {
    if (error instanceof PythonError) return { type: error.type, message: error.message };
    if (!(error instanceof Error)) return String(error);
    return error.name === "Error" || error instanceof BeepPythonError ? error.message : { type: error.name, message: error.message };
}
