// How long an evaluation takes over HTTP and over a pipe, beside Node's own fetch of the same server's /health: interleaved, so that all
// see the same machine, and medians. `BEEP_PYTHON` names the binary.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

import { connect } from "../dist/index.js";

const ROUNDS = 3000;
const WARM_UP = 500;
const BOUND = 1.3;

const binary = process.env.BEEP_PYTHON ?? "beep-python";
const python = process.env.BEEP_PYTHON_TEST_PYTHON ?? join(homedir(), ".pyenv/versions/3.12.1/bin/python3");
const home = mkdtempSync(join(tmpdir(), "beep-ts-"));
const env = { ...process.env, BEEP_PYTHON_HOME: home };
const run = (...args) => execFileSync(binary, args, { env, encoding: "utf8" });

const median = times => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];

async function measure() {
    const started = JSON.parse(run("start", "http", "pipe", "--port", "0", "--python", python, "--json"));
    const url = backend => started.endpoints.find(endpoint => endpoint.backend === backend).url;
    const [http, pipe] = [await connect(url("http")), await connect(url("pipe"))];
    const health = `${url("http")}/health`;
    const tasks = {
        "fetch of /health": async () => (await fetch(health)).json(),
        "eval over HTTP": () => http.eval("1 + 1"),
        "eval over a pipe": () => pipe.eval("1 + 1"),
    };
    const times = Object.fromEntries(Object.keys(tasks).map(name => [name, []]));
    for (let round = -WARM_UP; round < ROUNDS; round += 1) {
        for (const [name, task] of Object.entries(tasks)) {
            const begun = performance.now();
            await task();
            if (round >= 0) times[name].push(performance.now() - begun);
        }
    }
    http.close();
    pipe.close();
    return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

try {
    const medians = await measure();
    const base = medians["fetch of /health"];
    for (const [name, ms] of Object.entries(medians)) console.log(`${name.padEnd(18)} ${(ms * 1000).toFixed(0).padStart(6)} µs  ${(ms / base).toFixed(2)}`);
    if (medians["eval over HTTP"] > BOUND * base) {
        console.error(`an evaluation over HTTP takes more than ${BOUND} times as long as a fetch`);
        process.exitCode = 1;
    }
} finally {
    run("stop", "--all", "--grace", "1s");
    rmSync(home, { recursive: true, force: true });
}
