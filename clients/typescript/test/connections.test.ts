/** Connections that are lost: what is sent again, and what never is. */

import assert from "node:assert/strict";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { type AddressInfo, connect as connectTo, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";

import { BeepPythonError, type Client, connect, ConnectionFailed, ConnectionLost, type ExecutionEvent, ProtocolError } from "../src/index.js";
import { TestServer } from "./server.js";

async function listening<T extends Server>(server: T): Promise<number> {
    await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
    return (server.address() as AddressInfo).port;
}

/** A way to a server that is cut as soon as an answer has a text. */
class CutProxy {
    cuts = 0;
    private readonly sockets = new Set<Socket>();
    private readonly server = createServer((client) => { this.join(client); });

    constructor(private readonly to: number, private readonly text: string, private readonly maxCuts: number) {}

    start(): Promise<number> {
        return listening(this.server);
    }

    stop(): void {
        this.server.close();
        for (const socket of this.sockets) socket.destroy();
    }

    private join(client: Socket): void {
        const server = connectTo(this.to, "127.0.0.1");
        for (const socket of [client, server]) {
            this.sockets.add(socket);
            socket.on("error", () => undefined);
            socket.on("close", () => { client.destroy(); server.destroy(); });
        }
        client.on("data", (piece) => { server.write(piece); });
        server.on("data", (piece) => {
            const cut = this.cuts < this.maxCuts && piece.includes(this.text);
            client.write(piece, () => {
                if (cut) client.destroy();
            });
            if (cut) this.cuts += 1;
        });
    }
}

describe("lost connections", () => {
    let server: TestServer;
    let client: Client;

    before(async () => {
        server = await TestServer.start();
        client = await connect(server.url("http"));
    });
    after(async () => {
        client.close();
        await server.remove();
    });

    it("are made again for the rest of the events of an execution", async () => {
        const proxy = new CutProxy(server.port, "step", 2);
        const through = await connect(`http://127.0.0.1:${String(await proxy.start())}`);
        try {
            const events: ExecutionEvent[] = [];
            const code = "import time\nruns = globals().get('runs', 0) + 1\nfor n in range(4):\n    print('step', n, flush=True)\n    time.sleep(0.1)\nruns";
            for await (const event of through.execute(code)) events.push(event);
            const printed = events.map((event) => (event.event === "stdout" ? event.text : "")).join("");
            assert.equal(printed, "step 0\nstep 1\nstep 2\nstep 3\n", "each event comes once");
            const last = events.at(-1);
            assert.equal(last?.event === "result" && last.value, 1, "the code ran once");
            assert.equal(proxy.cuts, 2);
        } finally {
            through.close();
            proxy.stop();
        }
    });

    it("end a stream, which is not gone on with", async () => {
        const proxy = new CutProxy(server.port, "item", 1);
        const through = await connect(`http://127.0.0.1:${String(await proxy.start())}`);
        try {
            await assert.rejects(async () => {
                for await (const _ of through.stream("iter(lambda: 1, 2)"));
            }, ConnectionLost);
        } finally {
            through.close();
            proxy.stop();
        }
    });

    it("are replaced when the server is another", async () => {
        const first = await TestServer.start(["--pipe-name", "again"]);
        const [http, pipe] = [await connect(first.url("http")), await connect(first.url("pipe"))];
        try {
            for (const python of [http, pipe]) await python.eval("x = 1");
            await first.stop();
            await TestServer.start(["--pipe-name", "again"], ["http", "pipe"], first.port, first.home);
            for (const python of [http, pipe]) assert.equal(await python.eval("globals().get('x')"), null);
        } finally {
            http.close();
            pipe.close();
            await first.remove();
        }
    });
});

describe("servers that are none", () => {
    /** Asks a server of which nothing but this is known, and says how often it was asked. */
    async function asked(listener: RequestListener, ask: (client: Client) => Promise<unknown>): Promise<number> {
        let requests = 0;
        const server = createHttpServer((request, response) => {
            requests += 1;
            listener(request, response);
        });
        const client = await connect(`http://127.0.0.1:${String(await listening(server))}`);
        try {
            await ask(client);
        } finally {
            client.close();
            server.close();
        }
        return requests;
    }

    it("get a call once, which may have run", async () => {
        const requests = await asked((request) => { request.socket.destroy(); }, async (client) => {
            await assert.rejects(client.eval("1"), (error: unknown) => error instanceof ConnectionLost && error.mayHaveRun);
        });
        assert.equal(requests, 1);
    });

    it("get again what changes nothing", async () => {
        let broken = true;
        const requests = await asked((request, response) => {
            if (broken) request.socket.destroy();
            else response.end('{"status": "ok"}');
            broken = false;
        }, async (client) => { assert.equal((await client.health()).status, "ok"); });
        assert.equal(requests, 2);
    });

    it("are told apart from ours by what they say", async () => {
        await asked((_, response) => response.writeHead(404).end("<h1>Not here</h1>"), async (client) => {
            await assert.rejects(client.eval("1"), (error: unknown) => error instanceof ProtocolError && error.status === 404 && /Not here/.test(error.detail));
        });
        await asked((_, response) => response.end("<h1>Welcome</h1>"), async (client) => { await assert.rejects(client.eval("1"), ProtocolError); });
        await asked((_, response) => response.writeHead(200, { "content-length": "100" }).end("{"), async (client) => {
            await assert.rejects(client.eval("1"), ConnectionLost);
        });
    });

    it("are not there", async () => {
        const server = createServer();
        const port = await listening(server);
        await new Promise((resolve) => server.close(resolve));
        const client = await connect(`127.0.0.1:${String(port)}`);
        await assert.rejects(client.eval("1"), (error: unknown) => error instanceof ConnectionFailed && /ECONNREFUSED/.test(error.message));
        const pipe = await connect("unix:/nowhere/at/all.sock");
        await assert.rejects(pipe.eval("1"), (error: unknown) => error instanceof ConnectionFailed && /no such file/.test(error.message));
    });

    it("have addresses that are none", async () => {
        for (const [url, reason] of [
            ["ftp://localhost", /must begin with http/], ["http://localhost:5678/api", /end after the port/], ["http://me:secret@localhost", /credentials/],
            ["http://localhost:99999", /HOST:PORT/], ["pipe:", /names no pipe/], ["unix:run/x", /absolute/], ["pipe:a/b", /no `\/`/],
            ["http://localhost?fingerprint=AB", /over TLS/], ["https://localhost?fingerprint=AB", /64 hexadecimal digits/],
        ] as const) {
            await assert.rejects(connect(url), (error: unknown) => error instanceof BeepPythonError && error.code === "invalid_endpoint" && reason.test(error.message), url);
        }
    });
});
