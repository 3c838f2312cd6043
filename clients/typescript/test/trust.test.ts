/** Where tokens and code go, and where they never go. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { geteuid } from "node:process";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";

import { AccessDenied, BeepPythonError, type Client, connect, ConnectionFailed, UntrustedServer } from "../src/index.js";
import { serverUid } from "../src/node/trust.js";
import { TestServer } from "./server.js";

const NOBODY = 65534;

/** Uses a client, and closes it. */
async function using<T>(client: Client, use: (client: Client) => T | Promise<T>): Promise<T> {
    try {
        return await use(client);
    } finally {
        client.close();
    }
}

describe("a server that wants a token", () => {
    let server: TestServer;
    let token: string;

    before(async () => {
        server = await TestServer.start(["--require-token"]);
        token = readFileSync(join(server.home, "token"), "utf8").trim();
    });
    after(async () => {
        await server.remove();
    });

    it("is closed without", async () => {
        for (const backend of ["http", "pipe"] as const) {
            await using(await connect(server.url(backend)), async (client) => {
                for (let time = 0; time < 3; time += 1) {
                    await assert.rejects(client.eval("1"), (error: unknown) => error instanceof AccessDenied && error.code === "unauthorized");
                }
            });
        }
    });

    it("gets it, being the own user's", async () => {
        for (const backend of ["http", "pipe"] as const) {
            await using(await connect(server.url(backend), { token }), async (client) => {
                assert.deepEqual([await client.eval("1"), await client.eval("2")], [1, 2]);
                assert.ok(!inspect(client, { depth: 20, showHidden: true }).includes(token), "it is not shown where the client is printed");
            });
        }
    });

    it("gets it by fetch only where that is allowed, since fetch does not tell whose server it is", async () => {
        await assert.rejects(connect(server.url("http"), { token, fetch }), (error: unknown) => error instanceof UntrustedServer && /does not tell which user/.test(error.message));
        assert.equal(await (await connect(server.url("http"), { token, fetch, allowInsecureToken: true })).eval("1"), 1);
    });

    it("is found with its token by its record", async () => {
        process.env["BEEP_PYTHON_HOME"] = server.home;
        try {
            await using(await connect(), async (client) => {
                assert.equal(client.endpoint, server.url("pipe"), "the pipe is the fastest");
                assert.equal(await client.eval("6 * 7"), 42);
            });
            const record = join(server.home, "servers", `${server.started.id}.json`);
            const other = { ...(JSON.parse(readFileSync(record, "utf8")) as object), id: "abcdef", startTime: 1, startedAt: 1, endpoints: [{ backend: "http", url: "http://127.0.0.1:1" }] };
            writeFileSync(join(server.home, "servers", "abcdef.json"), JSON.stringify(other));
            writeFileSync(join(server.home, "servers", "broken.json"), "{");
            await using(await connect(), (client) => { assert.equal(client.endpoint, server.url("pipe"), "the process of the other record is gone"); });
            chmodSync(join(server.home, "servers"), 0o777);
            await assert.rejects(connect(), (error: unknown) => error instanceof BeepPythonError && error.code === "unreadable_file" && /others may write/.test(error.message));
        } finally {
            chmodSync(join(server.home, "servers"), 0o700);
            for (const name of ["abcdef.json", "broken.json"]) rmSync(join(server.home, "servers", name), { force: true });
            delete process.env["BEEP_PYTHON_HOME"];
        }
    });

    it("is named where there is none", async () => {
        const home = mkdtempSync(join(tmpdir(), "beep-ts-"));
        process.env["BEEP_PYTHON_HOME"] = home;
        try {
            await assert.rejects(connect(), (error: unknown) => error instanceof BeepPythonError && error.code === "no_server" && error.message.includes("beep-python start"));
        } finally {
            delete process.env["BEEP_PYTHON_HOME"];
            rmSync(home, { recursive: true });
        }
    });
});

describe("a server over TLS", () => {
    let server: TestServer;
    let certificate: string;

    before(async () => {
        server = await TestServer.start(["--tls-self-signed"], ["http"]);
        const record = JSON.parse(readFileSync(join(server.home, "servers", `${server.started.id}.json`), "utf8")) as { certificate: string };
        certificate = readFileSync(record.certificate, "utf8");
    });
    after(async () => {
        await server.remove();
    });

    it("is known by its certificate, or not at all", async () => {
        const { X509Certificate } = await import("node:crypto");
        const fingerprint = new X509Certificate(certificate).fingerprint256;
        const url = server.url("http");
        for (const known of [
            await connect(url, { certificate: fingerprint }), await connect(`${url}?fingerprint=${fingerprint}`), await connect(url, { certificate }),
        ]) {
            await using(known, async (client) => { assert.equal(await client.eval("1"), 1); });
        }
        await using(await connect(url), async (client) => { await assert.rejects(client.eval("1"), (error: unknown) => error instanceof ConnectionFailed && /certificate/.test(error.message)); });
        const other = "AB".repeat(32);
        await using(await connect(url, { certificate: other }), async (client) => { await assert.rejects(client.eval("1"), (error: unknown) => error instanceof UntrustedServer && /fingerprint/.test(error.message)); });
        process.env["BEEP_PYTHON_HOME"] = server.home;
        try {
            await using(await connect(), async (client) => { assert.equal(await client.eval("2"), 2); });
        } finally {
            delete process.env["BEEP_PYTHON_HOME"];
        }
    });
});

describe("a server of another user", { skip: geteuid?.() === 0 ? false : "it takes root to be another user" }, () => {
    const folder = mkdtempSync(join(tmpdir(), "beep-ts-"));
    let other: ChildProcess;
    let port: string;

    before(async () => {
        chmodSync(folder, 0o777);
        const code = `
            const {createServer} = require("node:net");
            const say = socket => { socket.on("error", () => {}); socket.once("data", piece => console.log("got " + piece.length)); };
            createServer(say).listen(${JSON.stringify(join(folder, "other.sock"))}, () => {
                const server = createServer(say).listen(0, "127.0.0.1", () => console.log("port " + server.address().port));
            })`;
        other = spawn(process.execPath, ["-e", code], { uid: NOBODY, gid: NOBODY, cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
        port = await new Promise<string>((resolve) => {
            other.stdout?.once("data", (line: Buffer) => { resolve(String(line).trim().slice("port ".length)); });
        });
    });
    after(() => {
        other.kill();
        rmSync(folder, { recursive: true });
    });

    it("gets no token, and over a pipe nothing", async () => {
        const got: string[] = [];
        other.stdout?.on("data", (line: Buffer) => got.push(String(line)));
        for (const url of [`http://127.0.0.1:${port}`, `unix:${join(folder, "other.sock")}`]) {
            await using(await connect(url, { token: "secret" }), async (client) => {
                await assert.rejects(client.eval("1"), (error: unknown) => error instanceof UntrustedServer && error.message.includes(`user ${String(NOBODY)}`));
            });
        }
        assert.deepEqual(got, []);
    });
});

describe("the tables of the kernel", () => {
    const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const row = (local: string, remote: string, state: string, uid: number, inode: number): string =>
        `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${String(uid)}        0 ${String(inode)} 1 0 20 4 30 10 -1\n`;
    const [here, there] = [{ address: "127.0.0.1", port: 50000 }, { address: "127.0.0.1", port: 8080 }];
    const connection = (uid: number, inode: number): string => row("0100007F:1F90", "0100007F:C350", "01", uid, inode);

    it("tell who accepted a connection, or else who listens", () => {
        const uid = (...rows: string[]): number | undefined => serverUid(here, there, [[head, ...rows]]);
        const everywhere = row("00000000:1F90", "00000000:0000", "0A", 7, 1);
        const exact = row("0100007F:1F90", "00000000:0000", "0A", 8, 2);
        assert.equal(uid(everywhere, connection(9, 3)), 9);
        assert.equal(uid(everywhere, exact, connection(0, 0)), 8);
        assert.equal(uid(everywhere, connection(0, 0)), 7);
        assert.equal(uid(connection(0, 0)), undefined);
        assert.equal(uid(everywhere, exact), undefined, "there is no connection");
        const mapped = row("0000000000000000FFFF00000100007F:1F90", "0000000000000000FFFF00000100007F:C350", "01", 5, 4);
        assert.equal(uid(mapped), 5);
        const six = row("00000000000000000000000001000000:1F90", "00000000000000000000000001000000:C350", "01", 6, 4);
        assert.equal(serverUid({ address: "::1", port: 50000 }, { address: "::1", port: 8080 }, [[head, six]]), 6);
    });
});
