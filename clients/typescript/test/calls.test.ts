/** What calls do, over HTTP and over a pipe. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import {
    BeepPythonError, callback, Cancelled, type Client, connect, DeadlineExceeded, Handle, HandleGone, LimitExceeded, NdArray, PythonError, type Session,
    SessionGone, Slice, WorkerDied,
} from "../src/index.js";
import { TestServer } from "./server.js";

for (const backend of ["http", "pipe"] as const) {
    describe(`calls over ${backend}`, () => {
        let server: TestServer;
        let client: Client;
        let python: Session;

        before(async () => {
            server = await TestServer.start();
            client = await connect(server.url(backend));
            python = await client.sessions.create({ labels: { of: "a test" } });
        });
        after(async () => {
            await python.delete();
            client.close();
            await server.remove();
        });

        it("gives values, handles and what was printed", async () => {
            assert.equal(await python.eval("a = 20\na + 1"), 21);
            const { value, stdout, outputs } = await python.evaluate<number>("print('hello')\nb = object()\na", { outputs: ["b"] });
            assert.deepEqual([value, stdout], [20, "hello\n"]);
            assert.ok(outputs["b"] instanceof Handle);
            const both = await python.eval<number>("c = 1\n2", { outputs: ["c"] });
            assert.deepEqual([both.value, both.outputs], [2, { c: 1 }]);
            const told: string[] = [];
            await python.eval("print('out'); import sys; print('err', file=sys.stderr)", { onOutput: (text, stream) => told.push(stream, text) });
            assert.deepEqual(told, ["stdout", "out\n", "stderr", "err\n"]);
        });

        it("works on objects", async () => {
            const counter = await python.create("collections", "Counter", ["mississippi"], { kwargs: { x: 2 } });
            assert.deepEqual([counter.typeName, counter.typeModule], ["Counter", "collections"]);
            assert.equal(await counter.item("s"), 4);
            await counter.setItem("new", 1);
            assert.ok(await counter.has("new"));
            await counter.deleteItem("new");
            assert.equal(await counter.length(), 5);
            await counter.set("label", { letters: true });
            assert.deepEqual(await counter.get("label"), { letters: true });
            assert.deepEqual([...(await counter.call<string[][]>("most_common", [1]))[0] ?? []], ["i", 4]);
            const list = await python.wrap([0, 1, 2, 3]);
            assert.deepEqual(await list.item(new Slice(1, null, 2)), [1, 3]);
            assert.ok((await list.dir()).includes("append"));
            assert.equal((await list.describe()).typeName, "list");
            await list.renew();
            await list.dispose();
            await assert.rejects(list.length(), (error: unknown) => error instanceof HandleGone && error.code === "unknown_handle");
        });

        it("releases a handle at the end of its scope, where the runtime has that", async () => {
            const list = await python.wrap([]);
            const dispose = (Symbol as { asyncDispose?: symbol }).asyncDispose;
            assert.ok(dispose, "this Node has it");
            await (list as unknown as Record<symbol, () => Promise<void>>)[dispose]?.();
            await assert.rejects(list.value(), HandleGone);
        });

        it("raises what Python raises", async () => {
            await assert.rejects(python.eval("print('before')\n{}['a']"), (error: unknown) => {
                assert.ok(error instanceof PythonError && error instanceof BeepPythonError);
                assert.deepEqual([error.code, error.type, error.message, error.stdout], ["python_exception", "KeyError", "'a'", "before\n"]);
                assert.equal(error.traceback.at(-1)?.line, 2);
                assert.match(error.text, /^Traceback \(most recent call last\)/);
                return true;
            });
        });

        it("tells what became of what was stopped", async () => {
            await assert.rejects(python.eval("while True: pass", { timeoutMs: 300 }), (error: unknown) => error instanceof DeadlineExceeded && error.stateKept === true);
            await assert.rejects(python.eval("'x' * 100", { limits: { resultBytes: 10 } }), LimitExceeded);
            const other = await client.sessions.create();
            await assert.rejects(other.eval("import os\nos._exit(3)"), (error: unknown) => error instanceof WorkerDied && error.death?.exitCode === 3);
            await other.delete();
            await assert.rejects(other.eval("1"), (error: unknown) => error instanceof SessionGone && error.code === "unknown_session");
        });

        it("cancels what its signal aborts", async () => {
            const controller = new AbortController();
            const reason = new Error("the user left");
            const running = python.eval("import time\nprint('begun', flush=True)\ntime.sleep(600)", {
                signal: controller.signal,
                onOutput: () => { controller.abort(reason); },
            });
            await assert.rejects(running, (error: unknown) => {
                assert.ok(error instanceof Cancelled);
                assert.deepEqual([error.outcome, error.stateKept, error.cause], ["state_kept", true, reason]);
                return true;
            });
            await assert.rejects(python.eval("1", { signal: controller.signal }), (error: unknown) => error instanceof Cancelled && error.outcome === "not_started");
            assert.equal(await python.eval("1", { signal: new AbortController().signal }), 1);
        });

        it("cancels a call without events, which may not have arrived yet", async () => {
            const controller = new AbortController();
            const running = python.eval("import time\ntime.sleep(600)", { signal: controller.signal });
            controller.abort();
            await assert.rejects(running, Cancelled);
            assert.equal(await python.eval("1"), 1);
        });

        it("answers input", async () => {
            const asked: unknown[] = [];
            const stdin = (prompt: string, password: boolean): string | null => {
                asked.push([prompt, password]);
                return asked.length === 1 ? "Ada" : null;
            };
            await assert.rejects(python.eval("import getpass\nname = input('name? ')\ngetpass.getpass('word? ')", { stdin }), (error: unknown) => error instanceof PythonError && error.type === "EOFError");
            assert.deepEqual(asked, [["name? ", false], ["word? ", true]]);
            let left = false;
            async function* lines(): AsyncIterable<string> {
                try {
                    await Promise.resolve();
                    yield "one";
                    yield "two";
                } finally {
                    left = true;
                }
            }
            assert.equal(await python.eval("input()", { stdin: lines() }), "one");
            assert.ok(left, "who gave the lines is told that no more are wanted");
        });

        it("lets Python call functions", async () => {
            const add = (a: number, b: number): number => a + b;
            assert.equal(await python.eval("add(1, 2)", { locals: { add } }), 3);
            const later = async (n: number, named?: object): Promise<unknown> => Promise.resolve([n, named]);
            assert.deepEqual(await python.eval("f(1, key='v')", { locals: { f: later } }), [1, { key: "v" }]);
            const nested = callback(async ({ python: inner, args }) => inner.eval("x + n", { locals: { n: args[0] } }), { doc: "Adds to x.", signature: "(n: int) -> int" });
            assert.deepEqual(await python.eval("x = 40", {}), null);
            assert.deepEqual(await python.eval("[f(2), f.__doc__]", { locals: { f: nested } }), [42, "Adds to x."]);
            const objects = callback(({ args: [given] }) => given);
            assert.equal(await python.eval("o = object()\nf(o) is o", { locals: { f: objects } }), true);
        });

        it("raises in Python what a function throws", async () => {
            const locals = { f: (): never => { throw new TypeError("no such thing"); }, g: (): unknown => new Map([[1, Symbol("x")]]) };
            assert.equal(await python.eval("try: f()\nexcept TypeError as error: told = str(error)\ntold", { locals }), "no such thing");
            await assert.rejects(python.eval("g()", { locals }), (error: unknown) => error instanceof PythonError && /symbol has no form/.test(error.message));
        });

        it("streams, and closes the generator of a loop that is left", async () => {
            const squares: number[] = [];
            let returned: unknown;
            for await (const n of python.stream<number>("def g():\n    yield 1\n    yield 4\n    return 'end'\ng()", { onReturn: (value) => { returned = value; } })) squares.push(n);
            assert.deepEqual([squares, returned], [[1, 4], "end"]);
            await python.eval("import threading\nclosed = threading.Event()\ndef endless():\n    try:\n        while True: yield 1\n    finally: closed.set()");
            for await (const _ of python.stream("endless()")) break;
            // It is closed between two calls: one that waited for that would wait for ever.
            const end = Date.now() + 10_000;
            while (!(await python.eval<boolean>("closed.is_set()"))) assert.ok(Date.now() < end, "it is closed");
            const list = await python.wrap(["a", "b"]);
            const items: unknown[] = [];
            for await (const item of list.stream()) items.push(item);
            assert.deepEqual(items, ["a", "b"]);
        });

        it("tells progress, log records and output that is no text", async () => {
            const events: unknown[] = [];
            const code = "import beep_python, logging, os\nbeep_python.progress(1, 2)\nlogging.getLogger('a').warning('b')\nos.write(1, b'\\xff');";
            for await (const event of python.execute(code, { rawOutput: true })) events.push(event);
            assert.deepEqual(events, [
                { event: "progress", done: 1, total: 2 },
                { event: "log", level: "WARNING", logger: "a", message: "b" },
                { event: "stdout", bytes: new Uint8Array([255]) },
                { event: "result", value: 1, outputs: {}, sessionEpoch: 1 },
            ]);
            const done: number[] = [];
            await python.eval("beep_python.progress(3)", { onProgress: (progress) => done.push(progress.done) });
            assert.deepEqual(done, [3]);
        });

        it("sends and fetches bytes and arrays", async () => {
            await python.put(new Float64Array([1, 2.5]), { name: "row" });
            assert.deepEqual(await python.eval("[memoryview(row).tolist(), memoryview(row).format]"), [[1, 2.5], "d"]);
            const array = await python.fetch("row", { kind: "array" });
            assert.ok(array instanceof NdArray);
            assert.deepEqual([array.dtype, array.shape, array.items], ["<f8", [2], new Float64Array([1, 2.5])]);
            const big = new Uint8Array(3 << 20).map((_, at) => at * 7);
            const handle = await python.put(big);
            assert.deepEqual(await handle.fetch(), big);
            assert.equal(await python.eval("len(data)", { locals: { data: handle } }), big.length);
            assert.deepEqual(await python.fetch("n * b'x'", { locals: { n: 2 } }), new Uint8Array([120, 120]));
            await assert.rejects(python.fetch("'text'", { kind: "array" }), (error: unknown) => error instanceof BeepPythonError && error.code === "not_representable");
        });

        it("runs batches", async () => {
            const batch = python.batch();
            const made = batch.eval("[3, 1, 2]");
            batch.call(made, "sort");
            const first = batch.item(made, 0);
            const failed = batch.eval("1/0");
            const skipped = batch.eval("2");
            const results = await batch.run();
            assert.equal(results.get(first), 1);
            assert.throws(() => results.get(failed), (error: unknown) => error instanceof PythonError && error.type === "ZeroDivisionError");
            assert.throws(() => results.get(skipped), /did not run/);
            assert.throws(() => results.get(made), /keep: true/);
        });

        it("releases the objects of handles that are dropped", async () => {
            setFlagsFromString("--expose-gc");
            const collect = runInNewContext("gc") as () => void;
            const other = await client.sessions.create();
            const kept = await other.wrap([1]);
            for (let n = 0; n < 10; n += 1) await other.wrap([n]);
            const end = Date.now() + 10_000;
            let held: unknown[] = [];
            do {
                collect();
                held = await other.handles();
            } while (held.length > 1 && Date.now() < end);
            assert.deepEqual(held.map((handle) => (handle as { handleId: string }).handleId), [kept.id]);
            await other.delete();
        });

        it("carries out calls of several sessions at once", async () => {
            const sessions = await Promise.all(Array.from({ length: 4 }, async () => client.sessions.create()));
            // Each waits for the others: they end only where all run at the same time.
            const barrier = `/dev/shm/beep-ts-${python.id}-${backend}`;
            const code = `import os, time\nopen(path + str(n), 'w').close()\nwhile not all(os.path.exists(path + str(m)) for m in range(4)): time.sleep(0.01)\nn`;
            const numbers = await Promise.all(sessions.map(async (session, n) => session.eval(code, { locals: { n, path: barrier }, timeoutMs: 10_000 })));
            assert.deepEqual(numbers, [0, 1, 2, 3]);
            await python.eval("import glob, os\nfor file in glob.glob(path + '*'): os.remove(file)", { locals: { path: barrier } });
            await Promise.all(sessions.map(async (session) => session.delete()));
        });

        it("manages sessions", async () => {
            assert.ok((await client.sessions.list()).some(({ sessionId, labels }) => sessionId === python.id && labels?.["of"] === "a test"));
            const other = await client.sessions.create({ setup: "x = 1", env: { OWN: "yes" } });
            assert.equal(await other.eval("import os\nos.environ['OWN'] * x"), "yes");
            assert.equal(await client.session(other.id).eval("x"), 1);
            assert.ok((await other.inspect())["threads"]);
            await other.wrap([]);
            assert.equal((await other.handles()).length, 1);
            assert.deepEqual(await other.interrupt(), { outcome: "not_found", aborted: 0 });
            const seen: unknown[] = [];
            let restarted: Promise<number> | undefined;
            for await (const event of other.events()) {
                if (event.event !== "session") continue;
                seen.push(event.sessionEpoch);
                if (seen.length === 2) break;
                restarted = other.restart();
            }
            assert.equal(await restarted, 2);
            assert.deepEqual(seen, [1, 2]);
            const { sessions } = client;
            assert.equal((await sessions.inspect(other.id)).sessionEpoch, 2);
            assert.deepEqual(await sessions.interrupt(other.id, { abortQueued: true }), { outcome: "not_found", aborted: 0 });
            assert.equal(await sessions.restart(other.id), 3);
            await sessions.delete(other.id);
            await assert.rejects(other.info(), SessionGone);
        });

        it("takes options of a client for all calls", async () => {
            const strict = python.with({ timeoutMs: 200 });
            await assert.rejects(strict.eval("while True: pass"), DeadlineExceeded);
            assert.equal(await python.with({ bigints: true }).eval("2**53"), 2n ** 53n);
            await assert.rejects(python.eval("2**53"), (error: unknown) => error instanceof BeepPythonError && error.code === "unsafe_integer");
            assert.equal(await python.eval("'kept' in globals()", { isolated: true }), false);
        });
    });
}
