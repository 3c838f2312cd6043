/** The built package in a page of Chromium, of an origin that the server allows. */

import assert from "node:assert/strict";
import { accessSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join, normalize } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { TestServer } from "./server.js";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const CHROMIUMS = ["chromium", "chromium-browser", "google-chrome", "chrome"];
const ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP *.example 127.0.0.1",
    "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessSendPreflights,HttpsUpgrades",
];

interface Page {
    goto(url: string): Promise<unknown>;
    evaluate<T>(code: string): Promise<T>;
}

interface Browser {
    newPage(): Promise<Page>;
    close(): Promise<void>;
}

interface Playwright {
    readonly chromium: { launch(options: object): Promise<Browser> };
}

function chromium(): string | undefined {
    const named = process.env["BEEP_PYTHON_TEST_CHROMIUM"];
    const folders = (process.env["PATH"] ?? "").split(delimiter);
    return named ?? CHROMIUMS.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

function playwright(): Playwright | undefined {
    const folder = join(process.env["BEEP_PYTHON_TEST_PACKAGES"] ?? "", "browser/node_modules/playwright-core");
    try {
        accessSync(folder);
    } catch {
        return undefined;
    }
    return createRequire(import.meta.url)(folder) as Playwright;
}

const [program, driver] = [chromium(), playwright()];
const skip = !program ? "there is no Chromium" : !driver ? "BEEP_PYTHON_TEST_PACKAGES has no browser/node_modules/playwright-core" : false;

describe("a page", { skip }, () => {
    const home = mkdtempSync(join(tmpdir(), "beep-ts-"));
    /** What the page asked for. */
    const asked: string[] = [];
    let pages: Server;
    let server: TestServer;
    let browser: Browser;
    let page: Page;

    before(async () => {
        pages = createServer((request, response) => {
            const path = normalize(request.url ?? "/");
            asked.push(path);
            if (path === "/") return response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>page</title>");
            const file = join(DIST, path);
            return existsSync(file) ? response.writeHead(200, { "content-type": "text/javascript" }).end(readFileSync(file)) : response.writeHead(404).end();
        });
        await new Promise<void>((resolve) => { pages.listen(0, "127.0.0.1", resolve); });
        const origin = `http://app.example:${String((pages.address() as AddressInfo).port)}`;
        server = await TestServer.start(["--allow-origin", origin], ["http"]);
        const environment = { ...process.env, HOME: home, TMPDIR: home };
        browser = (await driver?.chromium.launch({ executablePath: program, headless: true, args: ARGUMENTS, env: environment })) ?? assert.fail();
        page = await browser.newPage();
        await page.goto(origin);
    });
    after(async () => {
        await browser.close();
        pages.closeAllConnections();
        pages.close();
        await server.remove();
        rmSync(home, { recursive: true, force: true });
    });

    /** Runs code in the page, with `beep` and a client. */
    function inPage<T>(code: string): Promise<T> {
        return page.evaluate<T>(`(async () => {
            const beep = await import("/index.js");
            const python = await beep.connect(${JSON.stringify(server.url("http"))});
            ${code}
        })()`);
    }

    it("evaluates, and loads nothing of Node's", async () => {
        assert.deepEqual(await inPage(`
            const tuple = await python.eval("(n + 1, b'a', {1: 2})", { locals: { n: 41 } });
            return [tuple instanceof beep.Tuple, tuple[0], [...tuple[1]], tuple[2].get(1)];`), [true, 42, [97], 2]);
        assert.ok(asked.includes("/index.js"));
        assert.deepEqual(asked.filter((path) => /^\/(node|pipe)\//.test(path)), []);
    });

    it("reads events, answers questions and cancels", async () => {
        assert.deepEqual(await inPage(`
            const events = [];
            const locals = { add: (a, b) => a + b };
            for await (const event of python.execute("print('begun')\\nadd(int(input('n? ')), 1);", { stdin: ["41"], locals })) events.push(event.event);
            const squares = [];
            for await (const n of python.stream("(n * n for n in range(3))")) squares.push(n);
            const controller = new AbortController();
            const stopped = python.eval("print('begun', flush=True)\\nwhile True: pass", { signal: controller.signal, onOutput: () => controller.abort() });
            return [events, squares, await stopped.catch((error) => [error.name, error.outcome])];`),
        [["stdout", "input_request", "result"], [0, 1, 4], ["Cancelled", "state_kept"]]);
    });

    it("sends and fetches arrays", async () => {
        assert.deepEqual(await inPage(`
            await python.put(new Int16Array([1, -2]), { name: "row" });
            const { dtype, shape, items } = await python.fetch("row", { kind: "array" });
            return [dtype, shape, [...items]];`), ["<i2", [2], [1, -2]]);
    });

    it("learns of errors, and finds no server by itself", async () => {
        assert.deepEqual(await inPage(`
            const told = [];
            await python.eval("1/0").catch((error) => told.push(error instanceof beep.PythonError, error.type));
            await beep.connect().catch((error) => told.push(error.code));
            await beep.connect("unix:/x.sock").catch((error) => told.push(error.code));
            await beep.connect(${JSON.stringify("http://127.0.0.1:5678")}, { token: "t" }).catch((error) => told.push(error.code));
            return told;`), [true, "ZeroDivisionError", "invalid_endpoint", "invalid_endpoint", "untrusted_server"]);
    });
});
