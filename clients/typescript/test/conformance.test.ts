/** The cases that every client is held to, over HTTP and over a pipe. */

import { after, before, describe, it } from "node:test";

import { type Client, connect } from "../src/index.js";
import { isAtLeast, readCases } from "./conformance/cases.js";
import { Runner } from "./conformance/runner.js";
import { TestServer } from "./server.js";

const cases = readCases();

for (const backend of ["http", "pipe"] as const) {
    describe(`conformance over ${backend}`, () => {
        let server: TestServer;
        let client: Client;
        let version: string;

        before(async () => {
            server = await TestServer.start();
            client = await connect(server.url(backend), { bigints: true });
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
