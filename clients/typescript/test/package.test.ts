/** The package as it is installed: it has what it needs, and the examples of its README run. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { TestServer } from "./server.js";

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL("../..", import.meta.url));

interface Example {
    readonly code: string;
    readonly expected: string;
}

/** The examples of the README, and what their comments say that they print. */
function examples(): Example[] {
    const text = readFileSync(join(FOLDER, "README.md"), "utf8");
    return [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = ""]) => ({
        code,
        expected: [...code.matchAll(/^\/\/> (.*)$/gm)].map(([, line]) => line).join("\n"),
    }));
}

describe("the package", () => {
    const folder = mkdtempSync(join(tmpdir(), "beep-ts-"));
    let server: TestServer;

    before(async () => {
        server = await TestServer.start();
        const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], { cwd: FOLDER });
        const [packed] = JSON.parse(stdout) as { filename: string }[];
        writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
        await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(folder, packed?.filename ?? "")], { cwd: folder });
    });
    after(async () => {
        await server.remove();
        rmSync(folder, { recursive: true });
    });

    it("needs no other, and holds what was built", () => {
        assert.deepEqual(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith(".")), ["@beep-python"]);
        const files = readdirSync(join(folder, "node_modules/@beep-python/client"));
        assert.deepEqual(files.sort(), ["README.md", "dist", "package.json", "src"]);
    });

    it("has types for programs that know neither Node nor newer libraries", async () => {
        writeFileSync(join(folder, "program.ts"), `
            import { connect, PythonError, type Handle } from "@beep-python/client";
            const python = await connect("http://127.0.0.1:5678", { timeoutMs: 5 });
            const n: number = await python.eval<number>("1");
            const list: Handle = await python.wrap([n]);
            for await (const item of list.stream<string>()) item.trim();
            const { outputs } = await python.eval("x = 1", { outputs: ["x"] });
            export const failed = (error: unknown): string | undefined => (error instanceof PythonError ? error.type : String(outputs));`);
        const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom", "--skipLibCheck", "false"];
        await run(process.execPath, [join(FOLDER, "node_modules/typescript/bin/tsc"), ...options, join(folder, "program.ts")], { cwd: folder });
    });

    for (const [at, { code, expected }] of examples().entries()) {
        it(`runs example ${String(at + 1)} of the README`, async () => {
            const file = join(folder, `example${String(at)}.js`);
            writeFileSync(file, code);
            const { stdout } = await run(process.execPath, [file], { cwd: folder, timeout: 30_000, env: { ...process.env, BEEP_PYTHON_HOME: server.home } });
            const lines = (text: string): string => text.split("\n").map((line) => line.trimEnd()).join("\n").trim();
            assert.equal(lines(stdout), lines(expected));
        });
    }
});
