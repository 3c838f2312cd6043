//! Carries out the steps of a case one after the other, those with `start` beside the others.

use std::collections::HashMap;

use beep_python_client::AnyBackend;
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::case::Step;
use super::done::{Done, Got, Saved};
use super::expectation;
use super::operation::{perform, text};
use crate::test_context::TestContext;

pub struct Runner {
    python: AnyBackend,
    saved: Saved,
    started: HashMap<String, JoinHandle<Result<Done, String>>>,
}

impl Runner {
    pub fn new(context: &TestContext) -> Runner {
        let mut saved = Saved::default();
        saved.sessions.insert("own".into(), context.session.clone());
        Runner { python: context.python.clone(), saved, started: HashMap::new() }
    }

    /// Carries out a step, and says what is not as it should be.
    pub async fn step(&mut self, step: &Step) -> Result<(), String> {
        let done = match (text(step, "do")?, step.get("start")) {
            ("join", _) => {
                let started = self.started.remove(text(step, "started")?).ok_or("nothing of this name was started")?;
                started.await.map_err(|error| error.to_string())??
            }
            (_, Some(name)) => return self.start(name.as_str().ok_or("`start` is a name")?, step).await,
            _ => perform(self.python.clone(), step, &self.saved, None).await?,
        };
        if let Some(name) = step.get("save").and_then(Json::as_str) {
            match &done.result {
                Some(Ok(Got::Handle(handle))) => drop(self.saved.handles.insert(name.to_owned(), handle.clone())),
                Some(Ok(Got::Session(session))) => drop(self.saved.sessions.insert(name.to_owned(), session.clone())),
                Some(Err(error)) => return Err(format!("it failed: {error:#}")),
                _ => return Err("there is nothing to save".into()),
            }
        }
        expectation::check(&done, step.get("expect"), &self.saved)
    }

    async fn start(&mut self, name: &str, step: &Step) -> Result<(), String> {
        let (printed, mut seen) = watch::channel(String::new());
        let (python, owned, saved) = (self.python.clone(), step.clone(), self.saved.clone());
        let task = tokio::task::spawn_local(async move { perform(python, &owned, &saved, Some(printed)).await });
        self.started.insert(name.to_owned(), task);
        if let Some(until) = step.get("until").and_then(Json::as_str) {
            seen.wait_for(|printed| printed.contains(until))
                .await
                .map_err(|_| "it ended before it had printed that")?;
        }
        Ok(())
    }
}
