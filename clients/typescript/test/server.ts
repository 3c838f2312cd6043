/** A server for tests, in a home of its own, which it leaves as it found it. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const START_MS = 120_000;

export const BINARY = process.env["BEEP_PYTHON"] ?? "beep-python";
export const PYTHON = process.env["BEEP_PYTHON_TEST_PYTHON"] ?? "/usr/bin/python3";

interface Started {
    readonly id: string;
    readonly pid: number;
    readonly tokenFile?: string;
    readonly endpoints: readonly { readonly backend: string; readonly url: string }[];
}

export class TestServer {
    private constructor(readonly home: string, readonly started: Started) {}

    /** Starts one, in a new home, or beside others in that of an earlier one. */
    static async start(options: readonly string[] = [], backends: readonly string[] = ["http", "pipe"], port = 0, given?: string): Promise<TestServer> {
        const home = given ?? mkdtempSync(join(tmpdir(), "beep-ts-"));
        const listens = backends.includes("http") ? ["--port", String(port)] : [];
        const args = ["start", ...backends, ...listens, "--python", PYTHON, "--json", ...options];
        const { stdout } = await run(BINARY, args, { env: environment(home), timeout: START_MS });
        return new TestServer(home, JSON.parse(stdout) as Started);
    }

    url(backend: "http" | "pipe"): string {
        const found = this.started.endpoints.find((endpoint) => endpoint.backend === backend);
        if (!found) throw new Error(`the server has no ${backend}`);
        return found.url;
    }

    get port(): number {
        return Number(new URL(this.url("http")).port);
    }

    async stop(): Promise<void> {
        await run(BINARY, ["stop", this.started.id, "--grace", "5s"], { env: environment(this.home), timeout: 30_000 });
    }

    /** Stops it, and removes its home. */
    async remove(): Promise<void> {
        await run(BINARY, ["stop", "--all", "--grace", "5s"], { env: environment(this.home), timeout: 30_000 });
        rmSync(this.home, { recursive: true, force: true });
    }
}

function environment(home: string): NodeJS.ProcessEnv {
    const { BEEP_PYTHON_TOKEN: _, ...others } = process.env;
    return { ...others, BEEP_PYTHON_HOME: home };
}
