/** The running servers of this user, by their records in the home. */

import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { env, geteuid } from "node:process";

import { type Endpoint, readEndpoint } from "../endpoint.js";
import { BeepPythonError } from "../errors.js";

/** The backends that this client can use, fastest first. */
const BACKENDS = ["pipe", "http"];

interface ServerRecord {
    readonly id: string;
    readonly pid: number;
    readonly startTime: number;
    readonly startedAt: number;
    readonly bootId?: string | null;
    readonly pidNamespace?: string | null;
    readonly endpoints: readonly { readonly backend: string; readonly url: string }[];
    readonly tokenFile?: string;
    readonly certificate?: string;
    readonly temporary?: boolean;
    readonly stopping: boolean;
}

/** Where the first server of this user is, its token, and the certificate that it shows. */
export function endpointOfServer(): { endpoint: Endpoint; token: string | undefined; fingerprint: string | undefined } {
    const home = homeFolder();
    for (const record of discover(home)) {
        const found = BACKENDS.flatMap((backend) => record.endpoints.find((endpoint) => endpoint.backend === backend) ?? [])[0];
        if (!found) continue;
        const tls = found.url.startsWith("https:") && record.certificate !== undefined;
        const fingerprint = tls ? new X509Certificate(readFileSync(record.certificate ?? "")).fingerprint256 : undefined;
        return { endpoint: readEndpoint(found.url), token: tokenOf(record), fingerprint };
    }
    throw new BeepPythonError("no_server", `no server of this user runs, by the records in ${join(home, "servers")}: start one by \`beep-python start http pipe\`, or give the url of one`);
}

function homeFolder(): string {
    return env["BEEP_PYTHON_HOME"] || join(homedir(), ".beep-python");
}

/** The records of servers that run, in the order of their start. What is stopping, belongs to a command or cannot be read is left out. */
function discover(home: string): ServerRecord[] {
    const folder = join(home, "servers");
    if (!checkFolder(folder)) return [];
    const bootId = lineOf("/proc/sys/kernel/random/boot_id");
    const pidNamespace = linkOf("/proc/self/ns/pid");
    const runs = (record: ServerRecord): boolean =>
        record.temporary !== true && !record.stopping && bootId !== undefined && record.bootId === bootId && pidNamespace !== undefined &&
        record.pidNamespace === pidNamespace && startTime(record.pid) === record.startTime;
    // Files that are still being written have names of another kind.
    const names = readdirSync(folder).filter((name) => name.endsWith(".json") && !name.startsWith("."));
    const records = names.flatMap((name) => readRecord(join(folder, name)) ?? []).filter(runs);
    return records.sort((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
}

/** Whether there is such a folder. The writer of the records decides where code and tokens go. */
function checkFolder(folder: string): boolean {
    let found;
    try {
        found = statSync(folder);
    } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
        throw unreadable(folder, (cause as Error).message, cause);
    }
    // A home may be prepared by root, for group 0.
    if (found.uid !== 0 && found.uid !== geteuid?.()) throw unreadable(folder, "it belongs to another user");
    if ((found.mode & 0o002) !== 0 || ((found.mode & 0o020) !== 0 && found.gid !== 0)) throw unreadable(folder, "others may write to it");
    return true;
}

function readRecord(path: string): ServerRecord | undefined {
    try {
        return JSON.parse(readFileSync(path, "utf8")) as ServerRecord;
    } catch {
        return undefined;
    }
}

/** When a process started, in clock ticks since boot. */
function startTime(pid: number): number | undefined {
    const stat = lineOf(`/proc/${String(pid)}/stat`);
    // The second field is the command's name in brackets, which may hold blanks and brackets itself.
    const fields = stat?.slice(stat.lastIndexOf(")") + 1).trim().split(/\s+/);
    return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : Number(fields[19]);
}

/** The token that other users must send: the server's own user rarely needs it, but not every machine shows the user of a connection. */
function tokenOf(record: ServerRecord): string | undefined {
    const given = env["BEEP_PYTHON_TOKEN"]?.trim();
    const path = record.tokenFile ?? env["BEEP_PYTHON_TOKEN_FILE"];
    if (record.tokenFile === undefined && given) return given;
    return path ? lineOf(path) : undefined;
}

function lineOf(path: string): string | undefined {
    try {
        return readFileSync(path, "utf8").trim() || undefined;
    } catch {
        return undefined;
    }
}

function linkOf(path: string): string | undefined {
    try {
        return readlinkSync(path);
    } catch {
        return undefined;
    }
}

function unreadable(path: string, reason: string, cause?: unknown): BeepPythonError {
    return new BeepPythonError("unreadable_file", `cannot read ${path}: ${reason}`, { cause });
}
