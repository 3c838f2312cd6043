//! The zygotes of a host: one for each pair of an environment and a set of preloaded modules that sessions ask for.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::environment::EnvironmentIdentity;
use crate::platform::error_chain;
use crate::worker::lifeline::Lifeline;
use crate::worker::zygote::{Zygote, ZygoteConfig};
use crate::worker::zygote_error::ZygoteError;

/// How many zygotes without a session are kept for later ones.
const MAX_IDLE: usize = 4;
/// How long a zygote may take to exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The zygote of one environment, started when it is needed and again when it is gone.
///
/// Its sessions hold the environment, so that it is not deleted. A zygote without a session holds nothing: another environment
/// may stand in that place by now.
#[derive(Debug)]
pub(crate) struct ZygoteSlot {
    config: ZygoteConfig,
    environment: EnvironmentIdentity,
    lifeline: Arc<Lifeline>,
    current: tokio::sync::Mutex<Option<Arc<Zygote>>>,
    python_version: Mutex<Option<String>>,
    /// Why none could be started at the last attempt, until one is.
    failure: Mutex<Option<String>>,
}

impl ZygoteSlot {
    pub(crate) fn new(config: ZygoteConfig, lifeline: Arc<Lifeline>) -> ZygoteSlot {
        let (current, python_version, failure) = (tokio::sync::Mutex::default(), Mutex::default(), Mutex::default());
        let environment = EnvironmentIdentity::of(folder(&config.python));
        ZygoteSlot { config, environment, lifeline, current, python_version, failure }
    }

    fn matches_disk(&self) -> bool {
        self.environment.is_at(folder(&self.config.python))
    }

    pub(crate) async fn get(&self) -> Result<Arc<Zygote>, ZygoteError> {
        let mut current = self.current.lock().await;
        if let Some(zygote) = current.as_ref().filter(|zygote| !zygote.has_exited()) {
            return Ok(zygote.clone());
        }
        let started = Zygote::start(&self.config, &self.lifeline).await;
        *self.failure.lock() = started.as_ref().err().map(|error| error_chain(error));
        let zygote = Arc::new(started?);
        *self.python_version.lock() = Some(zygote.python_version().to_owned());
        *current = Some(zygote.clone());
        Ok(zygote)
    }

    /// Why no worker can be forked, as far as is known. Where the zygote is gone, another attempt to start one begins, whose outcome the
    /// next question gets.
    pub(crate) fn not_ready(self: &Arc<ZygoteSlot>) -> Option<String> {
        let is_gone = |current: &Option<Arc<Zygote>>| current.as_ref().is_none_or(|zygote| zygote.has_exited());
        if self.current.try_lock().is_ok_and(|current| is_gone(&current)) {
            let slot = self.clone();
            tokio::spawn(async move { drop(slot.get().await) });
        }
        self.failure.lock().clone()
    }

    /// Drops this zygote: the next session gets a new one.
    pub(crate) async fn forget(&self, zygote: &Arc<Zygote>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, zygote)) {
            current.take();
        }
    }

    /// Ends it, with what is left of its workers; returns when its process is gone.
    async fn end(&self) {
        if let Some(zygote) = self.current.lock().await.take() {
            zygote.end(EXIT_TIMEOUT).await;
        }
    }

    /// The version of its Python, once it has started.
    pub(crate) fn python_version(&self) -> Option<String> {
        self.python_version.lock().clone()
    }
}

/// The environment's folder, of an interpreter as it stands in it.
fn folder(python: &Path) -> &Path {
    python.parent().and_then(Path::parent).unwrap_or(python)
}

/// Variables that Python reads at its start; none removes one.
type Variables = BTreeMap<String, Option<String>>;

/// What tells one zygote from another: the interpreter, the modules, and variables.
type Key = (PathBuf, Vec<String>, Variables);

/// All zygotes of a host.
#[derive(Debug)]
pub(crate) struct ZygotePool {
    /// The config of the host's own environment.
    config: ZygoteConfig,
    lifeline: Arc<Lifeline>,
    slots: Mutex<HashMap<Key, Arc<ZygoteSlot>>>,
}

impl ZygotePool {
    pub(crate) fn new(config: ZygoteConfig, lifeline: Lifeline) -> ZygotePool {
        ZygotePool { config, lifeline: Arc::new(lifeline), slots: Mutex::default() }
    }

    /// The zygote of an interpreter, as it stands in its environment, with these modules, the host's own where not given; and with
    /// these variables over the host's.
    pub(crate) fn slot(
        &self,
        python: Option<PathBuf>,
        preload: Option<Vec<String>>,
        variables: Variables,
    ) -> Arc<ZygoteSlot> {
        let foreign = python.as_ref().is_some_and(|python| *python != self.config.python);
        // The modules that the host preloads are known to exist in its own environment only.
        let own = || if foreign { Vec::new() } else { self.config.preload.clone() };
        let python = python.unwrap_or_else(|| self.config.python.clone());
        let preload = preload.unwrap_or_else(own);
        let mut slots = self.slots.lock();
        let key = (python.clone(), preload.clone(), variables.clone());
        let is_unused = |slot: &Arc<ZygoteSlot>| Arc::strong_count(slot) == 1;
        slots.retain(|_, slot| !is_unused(slot) || slot.matches_disk());
        if let Some(found) = slots.get(&key) {
            return found.clone();
        }
        let mut idle = slots.values().filter(|slot| is_unused(slot)).count();
        slots.retain(|_, slot| {
            let unused = is_unused(slot);
            let keep = !unused || idle < MAX_IDLE;
            idle -= usize::from(unused && !keep);
            keep
        });
        let config = ZygoteConfig { python, preload, variables, ..self.config.clone() };
        let new = ZygoteSlot::new(config, self.lifeline.clone());
        slots.entry(key).or_insert(Arc::new(new)).clone()
    }

    /// Ends all of them.
    pub(crate) async fn end(&self) {
        let all: Vec<_> = self.slots.lock().drain().map(|(_, slot)| slot).collect();
        for slot in all {
            slot.end().await;
        }
    }
}
