// Drives Chromium for `browser.rs`. It serves pages and says where; then it is told, a line of JSON, of the servers to try, and
// answers with one of what happened. Names end in `.example`: the browser takes them all for this machine, as after DNS rebinding.

const { createServer } = require("node:http");
const { createInterface } = require("node:readline");
const { body, names, tryAll } = require("./attempts.js");
const { chromium } = require(process.env.PLAYWRIGHT);

const ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-popup-blocking", "--host-resolver-rules=MAP *.example 127.0.0.1",
    // No page is held back by the browser itself: what is tested is the server.
    "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessSendPreflights,HttpsUpgrades",
];
const EMPTY = "<!doctype html><meta charset=utf-8><title>page</title><body></body>";
const say = line => process.stdout.write(JSON.stringify(line) + "\n");

function listen(answer) {
    return new Promise(ready => {
        const server = createServer(answer);
        server.listen(0, "127.0.0.1", () => ready(server));
    });
}

// A server that takes anything from anyone, and notes which attempts reached it with their code.
async function credulous() {
    const reached = new Set();
    const note = (request, sent) => {
        const { searchParams } = new URL(request.url, "http://x");
        const name = searchParams.get("attempt");
        if (name && (sent + searchParams.get("expression")).includes("open(")) reached.add(name);
    };
    const server = await listen((request, response) => {
        let sent = "";
        request.on("data", piece => { sent += piece; });
        request.on("end", () => {
            note(request, sent);
            response.setHeader("access-control-allow-origin", request.headers.origin || "*");
            response.setHeader("access-control-allow-credentials", "true");
            response.setHeader("access-control-allow-headers", "content-type, x-beep-csrf");
            response.setHeader("content-type", "text/plain");
            response.end("what the page reads");
        });
    });
    server.on("upgrade", (request, socket) => { note(request, ""); socket.destroy(); });
    return { reached, server };
}

// What a page at this address reads of an evaluation, or the error of the browser.
const evaluateIn = (page, url, code, headers, credentials = "include") => page.evaluate(async ({ url, code, headers, credentials }) => {
    try {
        const answer = await fetch(url, { method: "POST", credentials, headers: { "content-type": "application/json", ...headers }, body: code });
        return { status: answer.status, ...await answer.json() };
    } catch (error) {
        return { error: String(error) };
    }
}, { url, code, headers, credentials });

// A page of another name that leads to the server's own address: it is of the same origin as what it asks for.
async function rebound(context, port, code) {
    const page = await context.newPage();
    const origin = `http://rebound.example:${port}`;
    await page.route(`${origin}/page`, route => route.fulfill({ contentType: "text/html", body: EMPTY }));
    await page.goto(`${origin}/page`);
    const evaluated = await evaluateIn(page, `${origin}/api/eval`, code, { "x-beep-csrf": "1" });
    const opened = await page.goto(`${origin}/`);
    await page.close();
    return { evaluated: evaluated.code || evaluated, opened: opened.status() };
}

async function login(browser, pagePort, { url, markers }) {
    const { origin } = new URL(url);
    const context = await browser.newContext({ bypassCSP: true });
    const page = await context.newPage();
    const first = await page.goto(url);
    const result = { status: first.status(), address: page.url() === `${origin}/`, cookies: await context.cookies() };
    result.pages = {};
    for (const path of ["/", "/docs"]) {
        const shown = await page.goto(origin + path);
        result.pages[path] = [shown.status(), await page.title()];
    }
    result.own = await evaluateIn(page, `${origin}/api/eval`, body("own_page", markers), { "x-beep-csrf": "1" });
    result.withoutHeader = await evaluateIn(page, `${origin}/api/eval`, body("without_header", markers), {});
    const again = await browser.newContext();
    result.secondTime = (await (await again.newPage()).goto(url)).status();
    // The browser is logged in now: pages of another site, and of another port of the same, try what it may.
    result.read = {};
    for (const from of [`http://evil.example:${pagePort}/`, `http://${new URL(url).hostname}:${pagePort}/`]) {
        result.read[from.includes("evil") ? "other site" : "other port"] = await tryAll(context, from, origin, markers);
    }
    const link = await context.newPage();
    await link.goto(`http://evil.example:${pagePort}/`);
    const arrived = link.waitForResponse(response => response.url() === `${origin}/`);
    await link.evaluate(url => { location.href = url; }, `${origin}/`);
    result.followedLink = (await arrived).status();
    return result;
}

async function main() {
    const pages = await listen((_, response) => { response.setHeader("content-type", "text/html"); response.end(EMPTY); });
    const pagePort = pages.address().port;
    const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
    say({ pagePort });
    const told = JSON.parse((await lines.next()).value);
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: ARGUMENTS });
    try {
        const evil = `http://evil.example:${pagePort}/`;
        const { reached, server } = await credulous();
        const context = await browser.newContext();
        const control = await tryAll(context, evil, `http://127.0.0.1:${server.address().port}`, told.markers);
        const read = await tryAll(context, evil, told.server, told.markers);
        const port = new URL(told.server).port;
        const app = await (await browser.newContext()).newPage();
        await app.goto(`http://app.example:${pagePort}/`);
        say({
            names, reached: [...reached], control, read,
            rebound: await rebound(context, port, body("rebound", told.markers)),
            allowed: await evaluateIn(app, `${told.server}/api/eval`, body("allowed", told.markers), { "x-beep-timeout-ms": "60000" }, "omit"),
            login: await login(browser, pagePort, told.login),
        });
        server.close();
    } finally {
        await browser.close();
        pages.close();
    }
}

main().then(() => process.exit(0), error => { console.error(error); process.exit(1); });
