/** The batches of cases. */

import assert from "node:assert/strict";

import type { BatchResults, CallOptions, Handle, Python, Step as BatchStep } from "../../src/index.js";
import type { Fields, Step } from "./cases.js";

type Read = (value: unknown, result: (index: number) => unknown) => unknown;

export async function runBatch(python: Python, step: Step, options: CallOptions, read: Read): Promise<BatchResults> {
    const batch = python.batch();
    const made: BatchStep[] = [];
    const stepAt = (index: number): BatchStep => made[index] ?? assert.fail(`there is no step ${String(index)}`);
    for (const given of step["steps"] as Step[]) {
        const value = (name: string, otherwise?: unknown): unknown => read(given[name] ?? otherwise, stepAt);
        const target = typeof given["handle"] === "number" ? stepAt(given["handle"]) : (read({ $saved: given["handle"] }, stepAt) as Handle);
        const of = { ...(given["keep"] === true ? { keep: true } : {}), kwargs: value("kwargs", {}) as Fields };
        const args = value("args", []) as unknown[];
        const text = (name: string): string => String(given[name]);
        const add: Record<string, () => BatchStep> = {
            eval: () => batch.eval(text("expression"), { ...of, locals: value("locals", {}) as Fields }),
            import: () => batch.importModule(text("moduleName"), of),
            create: () => batch.create(target, text("className"), args, of),
            call: () => batch.call(target, text("methodName"), args, of),
            invoke: () => batch.invoke(target, args, of),
            getattr: () => batch.get(target, text("attributeName"), of),
            setattr: () => batch.set(target, text("attributeName"), value("value")),
            getitem: () => batch.item(target, value("key"), of),
            setitem: () => batch.setItem(target, value("key"), value("value")),
            len: () => batch.length(target),
            value: () => batch.value(target),
            await: () => batch.await(target, of),
        };
        made.push((add[given.do] ?? assert.fail(`a batch has no ${given.do}`))());
    }
    const { stopOnError } = step as { stopOnError?: boolean };
    return batch.run({ ...options, ...(stopOnError === undefined ? {} : { stopOnError }) });
}
