//! `quickstart`: everything once, from nothing to typed results; leaves nothing running.

use std::fmt::Display;
use std::time::Instant;

use anyhow::{Context as _, Result};
use beep_python_client::{AnyBackend, Error, Handle};
use beep_python_runtime::interpreter::{InitOptions, VersionRequest};
use beep_python_server::launch::ServerRecord;
use serde_json::{Value, json};

use super::init;
use crate::async_runtime::interrupted;
use crate::context::Context;
use crate::environment::EnvironmentArgs;
use crate::exit_status::ExitStatus;
use crate::server::launch::TemporaryServer;
use crate::server::lookup::{connect, connect_to, running_servers};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The Python: 3.12, 3.12.7, ">=3.11", or a path
    #[arg(long, value_name = "VERSION")]
    python: Option<VersionRequest>,
    #[command(flatten)]
    source: init::SourceArgs,
    /// Use a Python of this machine; download nothing
    #[arg(long, conflicts_with_all = ["mirror", "archive"])]
    system: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<ExitStatus> {
    let mut tour = Tour::new(context);
    let mut interruption = std::pin::pin!(interrupted());

    let wanted = EnvironmentArgs { python: args.python.clone(), venv: None };
    // A tour changes no default.
    let (request, source) = (args.python, args.source.into_source());
    let options = InitOptions { request, source, system: args.system, keep_default: true };
    let outcome = tokio::select! {
        outcome = init::init(context, &options) => outcome.context("step 1, the Python, failed")?,
        interruption = &mut interruption => return Err(interruption?.into()),
    };
    init::notices(context, &outcome);
    tour.step("Python", init::summary(&outcome));

    let environment = wanted.resolve(context).context("step 2, the environment, failed")?;
    tour.step("Environment", format_args!("{} at {}", environment.name, environment.path.display()));

    let home = context.home()?;
    let starting = TemporaryServer::start(&home, &environment, true, None, interruption.as_mut());
    let server = starting.await?.context("step 3, the server, failed")?;
    let urls: Vec<_> = server.record.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
    tour.step("Server", format_args!("{} is ready at {}", server.record.id, urls.join(", ")));

    let client = connect(&server.record)?;
    let shown = async {
        results(&mut tour, &client).await.context("step 4, the typed results, failed")?;
        backends(&mut tour, &server.record).await.context("step 5, every backend, failed")
    };
    tokio::select! {
        shown = shown => shown?,
        interruption = &mut interruption => return Err(interruption?.into()),
    }

    let (status, id) = (running_servers(&home)?, server.record.id.clone());
    let listed =
        status.iter().find(|(record, _)| record.id == id).with_context(|| format!("server {id} is not listed"))?;
    tour.step("Status", format_args!("server {id} is process {}, Python {}", listed.0.pid, listed.0.python_version));

    server.stop().context("the last step, stopping the server, failed")?;
    anyhow::ensure!(!running_servers(&home)?.iter().any(|(record, _)| record.id == id), "server {id} still runs");
    tour.step("Stop", format_args!("server {id} is stopped; the Python and the environment stay"));
    tour.end();
    Ok(ExitStatus::Success)
}

/// Results of Python calls as values of Rust types.
async fn results(tour: &mut Tour<'_>, python: &AnyBackend) -> Result<()> {
    let health = python.health().await?;
    tour.step("Connect", format_args!("the client of the Rust crate; the server says {:?}", health.status));

    let sum: i64 = python.evaluate("sum(range(10))").await?;
    expect(sum == 45, "sum(range(10))", sum)?;
    tour.result("sum(range(10))", "i64", sum);

    #[derive(Debug, serde::Deserialize)]
    struct Interpreter {
        implementation: String,
        version: (u8, u8),
        paths: Vec<String>,
    }
    let code =
        "import sys\n{'implementation': sys.implementation.name, 'version': sys.version_info[:2], 'paths': sys.path}";
    let about: Interpreter = python.evaluate(code).await?;
    let shown =
        format!("{} {}.{}, {} paths", about.implementation, about.version.0, about.version.1, about.paths.len());
    expect(about.version >= (3, 9), "sys.version_info[:2]", &shown)?;
    tour.result("{'implementation': sys.implementation.name, …}", "struct", shown);

    let collections: Handle = python.import_module("collections").await?;
    let counter: Handle = python.create_object(&collections, "Counter", ("mississippi",)).await?;
    let most: Vec<(String, u32)> = python.call_method(&counter, "most_common", (2,)).await?;
    expect(most.len() == 2, "Counter.most_common(2)", format_args!("{most:?}"))?;
    tour.result("Counter('mississippi').most_common(2)", "Vec<(String, u32)>", format_args!("{most:?}"));

    let waves: Handle = python.evaluate("import math\n[math.sin(x / 2) for x in range(5)]").await?;
    let floats: Vec<f32> = python.to_float_array(&waves).await?;
    expect(floats.len() == 5, "five floats", format_args!("{floats:?}"))?;
    tour.result("[math.sin(x / 2) for x in range(5)]", "Vec<f32>", format_args!("{floats:.3?}"));

    let raised = match python.evaluate::<i64>("int('seven')").await {
        Err(Error::Python(raised)) => raised.exception,
        Err(other) => return Err(other.into()),
        Ok(value) => anyhow::bail!("int('seven') gave {value} and should have raised a ValueError"),
    };
    expect(raised.kind == "ValueError", "int('seven')", &raised)?;
    tour.result("int('seven')", "Error::Python", raised);

    drop((collections, counter, waves));
    python.release_dropped().await;
    Ok(())
}

/// The same session through every backend, and environments from Python.
async fn backends(tour: &mut Tour<'_>, record: &ServerRecord) -> Result<()> {
    for (n, endpoint) in record.endpoints.iter().enumerate() {
        let client = connect_to(record, endpoint)?;
        let count: usize = client.evaluate("seen = globals().get('seen', 0) + 1\nseen").await?;
        expect(count == n + 1, &endpoint.url, count)?;
        tour.result(&format!("seen += 1, over {}", endpoint.backend), "usize", count);
    }
    let code = "from beep_python import VenvManager\n[e['name'] for e in VenvManager().list()]";
    let names: Vec<String> = connect(record)?.evaluate(code).await?;
    expect(names.contains(&record.environment), "VenvManager().list()", format_args!("{names:?}"))?;
    tour.result("from beep_python import VenvManager; VenvManager().list()", "Vec<String>", format_args!("{names:?}"));
    Ok(())
}

fn expect(right: bool, what: &str, got: impl Display) -> Result<()> {
    anyhow::ensure!(right, "{what} gave {got}");
    Ok(())
}

/// Prints each step, and how long it took.
struct Tour<'a> {
    context: &'a Context,
    began: Instant,
    last: Instant,
    steps: Vec<Value>,
}

impl<'a> Tour<'a> {
    fn new(context: &'a Context) -> Tour<'a> {
        let now = Instant::now();
        Tour { context, began: now, last: now, steps: Vec::new() }
    }

    fn step(&mut self, step: &str, detail: impl Display) {
        let ms = self.lap();
        self.steps.push(json!({"step": step, "detail": detail.to_string(), "ms": ms}));
        self.say(format_args!("{:>9.1} ms  {step:<12} {detail}", ms));
    }

    fn result(&mut self, code: &str, kind: &str, value: impl Display) {
        let ms = self.lap();
        let value = value.to_string();
        self.say(format_args!("{ms:>9.1} ms    {code}\n{:15}= {value}  ({kind})", ""));
        self.steps.push(json!({"step": "Result", "code": code, "type": kind, "value": value, "ms": ms}));
    }

    fn end(self) {
        let ms = millis(self.began);
        let Tour { context, steps, .. } = &self;
        context.printer.result(json!({"ok": true, "ms": ms, "steps": steps}), || {
            context.printer.line(format_args!("{ms:>9.1} ms  in all. Now try:  beep-python start http"));
        });
    }

    fn lap(&mut self) -> f64 {
        let ms = millis(self.last);
        self.last = Instant::now();
        ms
    }

    fn say(&self, line: impl Display) {
        if !self.context.printer.is_json() {
            self.context.printer.line(line);
        }
    }
}

fn millis(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10_000.0).round() / 10.0
}
