// What a page can try against a server on the machine of its visitor. Each attempt runs in a page of its own and sends code that
// leaves a marker of the attempt's name; its address names it too, so that a server that takes anything can tell what reached it.

// The page reads the answer to a fetch with these options.
const fetched = options => ({ url, code }) => `
    const answer = await fetch(${url}, { method: "POST", credentials: "include", body: ${code}, ${options} });
    window.read = await answer.text()`;

// A form of plain text sends NAME=VALUE: the sign becomes part of a key that is not read.
const form = ({ url, fields: [name, value] }) =>
    `<form method="post" enctype="text/plain" action=${url}><input name='${name}' value='${value}'></form><script>document.forms[0].submit()</script>`;

// A frame with this document. It has ended when it has left for the server and shows its answer, or when it says so: the browser tells
// nothing else of what sandboxed frames do, and nothing at all where it does not show the answer to a form.
const framed = (html, sandbox = null) => `
    const frame = document.createElement("iframe");
    frame.srcdoc = ${JSON.stringify(html)};
    if (${JSON.stringify(sandbox)} !== null) frame.sandbox = ${JSON.stringify(sandbox)};
    let loads = 0;
    window.ended = new Promise(end => {
        frame.onload = () => { loads += 1; if (loads === 2) end() };
        addEventListener("message", end);
        setTimeout(end, 3000);
    });
    document.body.append(frame)`;

// An element that loads the address, and whose page learns whether it did.
const element = tag => ({ url }) => `
    const element = document.createElement(${JSON.stringify(tag)});
    element.onload = () => { window.read = "loaded" };
    element.src = ${url};
    document.body.append(element)`;

// By name: the JavaScript of the page. `url` and `code` are literals of the address and of the body. What it can read of the answer
// it keeps as `read`.
const attempts = {
    no_cors_fetch: fetched(`mode: "no-cors"`),
    simple_fetch: fetched(""),
    json_fetch: fetched(`headers: { "content-type": "application/json", "x-beep-csrf": "1" }`),
    form_post: about => framed(form(about)),
    sandboxed_form: about => framed(form(about), "allow-scripts allow-forms"),
    sandboxed_fetch: ({ url, code }) => framed(
        `<script>fetch(${url}, { method: "POST", mode: "no-cors", body: ${code} }).catch(() => {}).then(() => parent.postMessage("ended", "*"))</script>`,
        "allow-scripts",
    ),
    beacon: ({ url, code }) => `navigator.sendBeacon(${url}, ${code})`,
    json_beacon: ({ url, code }) => `navigator.sendBeacon(${url}, new Blob([${code}], { type: "application/json" }))`,
    web_socket: ({ url, code }) => `
        const socket = new WebSocket(${url}.replace("http", "ws"));
        socket.onopen = () => { window.read = "open"; socket.send(${code}) }`,
    event_source: ({ url }) => `
        const source = new EventSource(${url}, { withCredentials: true });
        source.onopen = () => { window.read = "open" };
        source.onerror = () => source.close()`,
    image: element("img"),
    script: element("script"),
    frame: ({ url }) => `
        const frame = document.createElement("iframe");
        frame.onload = () => { try { window.read = frame.contentDocument.body.innerText } catch {} };
        frame.src = ${url};
        document.body.append(frame)`,
    window: ({ url }) => `
        const opened = window.open(${url});
        Object.defineProperty(window, "read", { get() { return opened.document.body.innerText } })`,
    top_level: ({ url }) => `location.href = ${url}`,
    top_level_form: about => `document.write(${JSON.stringify(form(about))})`,
};

// The body of a request whose code leaves a marker.
const body = (name, markers) => JSON.stringify({ expression: `open(${JSON.stringify(`${markers}/${name}`)}, "w").close()` });

// Tries one of them, and waits until its request has ended, however; gives what the page could read.
async function attempt(context, name, from, server, markers) {
    const page = await context.newPage();
    await page.goto(from);
    const sent = body(name, markers);
    const ended = new Promise(end => {
        const isIts = url => url.includes(`attempt=${name}&`) && end();
        for (const event of ["requestfinished", "requestfailed"]) context.on(event, request => isIts(request.url()));
        page.on("websocket", socket => ["close", "socketerror"].forEach(event => socket.on(event, () => isIts(socket.url()))));
    });
    const { expression } = JSON.parse(sent);
    const about = {
        url: JSON.stringify(`${server}/api/eval?attempt=${name}&expression=${encodeURIComponent(expression)}`),
        code: JSON.stringify(sent),
        fields: [`${sent.slice(0, -1)}, "ignored": "`, '"}'],
    };
    await page.evaluate(`(async () => { ${attempts[name](about)} })().catch(() => {}); 0`);
    const told = page.evaluate("window.ended || new Promise(() => {})").catch(() => new Promise(() => {}));
    await Promise.race([ended, told]);
    // Where the page itself has left, what is there now is not its own to read.
    const stayed = page.url() === from;
    const read = stayed && await page.evaluate("(() => { try { return window.read } catch { return null } })()");
    await page.close();
    return read || null;
}

// Tries all of them from a page at this address.
async function tryAll(context, from, server, markers) {
    const names = Object.keys(attempts);
    const read = await Promise.all(names.map(name => attempt(context, name, from, server, markers)));
    return Object.fromEntries(names.map((name, at) => [name, read[at]]));
}

module.exports = { body, names: Object.keys(attempts), tryAll };
