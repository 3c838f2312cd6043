/** The cases that every client is held to, over HTTP, by `fetch` as in browsers, and over a pipe. */

import { after, before, describe, it } from "node:test";

import { type Client, connect } from "../src/index.js";
import { isAtLeast, readCases } from "./conformance/cases.js";
import { Runner } from "./conformance/runner.js";
import { TestServer } from "./server.js";

const cases = readCases();

const ways = [
    ["HTTP", (server: TestServer) => connect(server.url("http"), { bigints: true })],
    ["fetch", (server: TestServer) => connect(server.url("http"), { bigints: true, fetch })],
    ["a pipe", (server: TestServer) => connect(server.url("pipe"), { bigints: true })],
] as const;

for (const [way, connected] of ways) {
    describe(`conformance over ${way}`, () => {
        let server: TestServer;
        let client: Client;
        let version: string;

        before(async () => {
            server = await TestServer.start();
            client = await connected(server);
            version = (await client.health()).python ?? "";
        });
        after(async () => {
            client.close();
            await server.remove();
        });

        for (const given of cases) {
            it(given.name, async (context) => {
                if (!isAtLeast(version, given.python)) {
                    context.skip(`for Python ${String(given.python)}`);
                    return;
                }
                const session = await client.sessions.create();
                try {
                    await new Runner(client, session).run(given);
                } finally {
                    await session.delete();
                }
            });
        }
    });
}
