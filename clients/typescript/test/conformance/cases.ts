/** The cases, as data. */

import { readFileSync } from "node:fs";

export type Fields = Record<string, unknown>;

export interface Step extends Fields {
    readonly do: string;
    readonly expect?: Fields;
}

export interface Case {
    readonly name: string;
    readonly subject: string;
    readonly python?: string;
    readonly steps: readonly Step[];
}

/** A text, or a number with a point or an exponent. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** The cases; a float is written with its tag, since a number that was parsed has lost its point. */
export function readCases(): Case[] {
    const file = new URL("../../../../conformance/cases.json", import.meta.url);
    const text = readFileSync(file, "utf8").replace(TOKEN, (token) => (!token.startsWith('"') && /[.eE]/.test(token) ? `{"$float":"${token}"}` : token));
    return (JSON.parse(text) as { cases: Case[] }).cases;
}

export function isAtLeast(version: string, wanted: string | undefined): boolean {
    if (wanted === undefined) return true;
    const [major = 0, minor = 0] = version.split(".").map(Number);
    const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
    return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
