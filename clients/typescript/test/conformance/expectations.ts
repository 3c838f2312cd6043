/** Whether what a step did is what its case expects. */

import assert from "node:assert/strict";
import { inspect } from "node:util";

import { type BatchResults, type BeepPythonError, Handle, NdArray, PythonError, type StepOutcome } from "../../src/index.js";
import type { Fields } from "./cases.js";
import { base64, handleMatches, matches } from "./values.js";

/** What a step did. */
export interface Done {
    result: unknown;
    outputs?: Readonly<Record<string, unknown>>;
    stdout: string;
    stderr: string;
    events: Fields[];
    items: unknown[];
    error?: BeepPythonError;
}

type Read = (value: unknown) => unknown;

export function check(done: Done, expect: Fields | undefined, read: Read, sessionId: (name: string) => string | undefined): void {
    if (done.error && !expect?.["error"]) throw done.error;
    for (const [key, wanted] of Object.entries(expect ?? {})) {
        const checked = CHECKS[key] ?? assert.fail(`the expectation ${key} is not known`);
        checked(done, wanted as never, read, sessionId);
    }
}

const CHECKS: Record<string, (done: Done, wanted: never, read: Read, sessionId: (name: string) => string | undefined) => void> = {
    value: (done, wanted: unknown, read) => { same(done.result, read(wanted)); },
    handle: (done, wanted: Fields) => { assert.ok(handleMatches(done.result, wanted), `${inspect(done.result)} is no handle of ${inspect(wanted)}`); },
    outputs: (done, wanted: Record<string, Fields>, read) => {
        assert.deepEqual(Object.keys(done.outputs ?? {}).sort(), Object.keys(wanted).sort());
        for (const [name, one] of Object.entries(wanted)) oneResult(done.outputs?.[name], one, read);
    },
    stdout: (done, wanted: string) => { assert.equal(done.stdout, wanted); },
    stderr: (done, wanted: string) => { assert.equal(done.stderr, wanted); },
    error: (done, wanted: Fields) => { checkError(done.error, wanted); },
    items: (done, wanted: unknown[], read) => {
        assert.equal(done.items.length, wanted.length, inspect(done.items));
        done.items.forEach((item, at) => { oneItem(item, wanted[at], read); });
    },
    events: (done, wanted: Fields[]) => {
        assert.equal(done.events.length, wanted.length, inspect(done.events));
        wanted.forEach((event, at) => {
            for (const [key, value] of Object.entries(event)) same(done.events[at]?.[key], value);
        });
    },
    results: (done, wanted: Fields[], read) => {
        const outcomes = [...(done.result as BatchResults)];
        assert.equal(outcomes.length, wanted.length);
        outcomes.forEach((outcome, at) => { checkOutcome(outcome, wanted[at] ?? {}, read); });
    },
    datum: (done, wanted: { kind: string; dtype: string; shape: number[]; bytes: string }) => {
        const found = done.result;
        if (wanted.kind === "array") {
            assert.ok(found instanceof NdArray);
            assert.deepEqual([found.dtype, found.shape], [wanted.dtype, wanted.shape]);
        }
        same(found instanceof NdArray ? found.bytes : found, base64(wanted.bytes));
    },
    outcome: (done, wanted: string | string[]) => { assert.ok([wanted].flat().includes(String(done.result)), inspect(done.result)); },
    contains: (done, wanted: string[], _, sessionId) => {
        const list = done.result as string[];
        const isThere = (name: string): boolean => list.includes(name) || list.includes(sessionId(name) ?? name);
        for (const name of wanted) assert.ok(isThere(name), `${name} is not in ${inspect(list)}`);
    },
};

function same(found: unknown, expected: unknown): void {
    assert.ok(matches(found, expected), `found ${inspect(found, { depth: 6 })}, expected ${inspect(expected, { depth: 6 })}`);
}

function oneItem(found: unknown, wanted: unknown, read: Read): void {
    if (typeof wanted === "object" && wanted !== null && "handle" in wanted) oneResult(found, wanted, read);
    else same(found, read(wanted));
}

function oneResult(found: unknown, wanted: Fields, read: Read): void {
    if (wanted["handle"]) assert.ok(handleMatches(found, wanted["handle"] as Fields), inspect(found));
    else same(found, read(wanted["value"]));
}

function checkOutcome(outcome: StepOutcome, wanted: Fields, read: Read): void {
    if (wanted["error"]) checkError(outcome.error, wanted["error"] as Fields);
    else if (wanted["skipped"]) assert.equal(outcome.skipped, true);
    else if ("value" in wanted || "handle" in wanted) {
        if (outcome.error) throw outcome.error;
        oneResult(outcome.value, wanted, read);
    } else if (outcome.error ?? outcome.skipped) assert.fail(inspect(outcome));
    // A step that a later one refers to leaves no handle; a number, as a length, may be told.
    else assert.ok(!(outcome.value instanceof Handle), inspect(outcome));
}

function checkError(error: BeepPythonError | undefined, wanted: Fields): void {
    assert.ok(error, "it did not fail");
    const { type, message, detail, ...others } = wanted;
    const found: Fields = { code: error.code, outcome: error.outcome, kept: error.stateKept };
    for (const [key, value] of Object.entries(others)) assert.equal(found[key], value, `${key} of ${inspect(error)}`);
    if (type !== undefined) assert.equal(error instanceof PythonError && error.type, type);
    if (message !== undefined) assert.equal(error.message, message);
    if (typeof detail === "string") assert.ok(error.detail.includes(detail), error.detail);
}
