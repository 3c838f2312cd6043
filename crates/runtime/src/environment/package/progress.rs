//! Progress of an installation of packages.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A step of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageProgress {
    /// The kind of step.
    pub stage: PackageStage,
    /// The package, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Its received bytes, if the tool reports them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_bytes: Option<u64>,
    /// Its size in bytes, as precise as the tool reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// For whom it waits: `process 1234 (beep-python venv install mine numpy)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<String>,
}

/// The kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageStage {
    /// Waiting for another process that changes the same environment's packages.
    Waiting,
    /// Resolving the packages and their versions.
    Resolving,
    /// Downloading a package.
    Downloading,
    /// Building a package from source.
    Building,
    /// Installing files into the environment.
    Installing,
}

impl PackageProgress {
    pub(super) fn of(stage: PackageStage, package: Option<&str>) -> PackageProgress {
        PackageProgress {
            stage,
            package: package.map(str::to_owned),
            received_bytes: None,
            total_bytes: None,
            waiting_for: Vec::new(),
        }
    }

    pub(super) fn waiting(holders: &[String]) -> PackageProgress {
        PackageProgress { waiting_for: holders.to_vec(), ..PackageProgress::of(PackageStage::Waiting, None) }
    }
}

/// For people: `downloading numpy`.
impl fmt::Display for PackageProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stage, &self.package) {
            (PackageStage::Waiting, _) if self.waiting_for.is_empty() => {
                f.write_str("waiting for another process that changes the packages")
            }
            (PackageStage::Waiting, _) => {
                write!(f, "waiting for {}, which changes the packages", self.waiting_for.join(" and "))
            }
            (stage, package) => {
                f.write_str(match stage {
                    PackageStage::Downloading => "downloading",
                    PackageStage::Building => "building",
                    PackageStage::Installing => "installing",
                    _ => "resolving",
                })?;
                package.as_ref().map_or(Ok(()), |package| write!(f, " {package}"))
            }
        }
    }
}

/// Receives progress reports; the default ignores them, and logs warnings.
#[derive(Clone, Default)]
pub struct ProgressSink {
    told: Option<Arc<ProgressFn>>,
    warned: Option<Arc<TextFn>>,
    heard: Option<Arc<TextFn>>,
}

type ProgressFn = dyn Fn(&PackageProgress) + Send + Sync;
type TextFn = dyn Fn(&str) + Send + Sync;

impl ProgressSink {
    /// Calls `told` on the thread that installs, which waits for it.
    pub fn new(told: impl Fn(&PackageProgress) + Send + Sync + 'static) -> ProgressSink {
        ProgressSink { told: Some(Arc::new(told)), ..ProgressSink::default() }
    }

    /// Calls `warned` with each warning of the tool.
    pub fn with_warnings(self, warned: impl Fn(&str) + Send + Sync + 'static) -> ProgressSink {
        ProgressSink { warned: Some(Arc::new(warned)), ..self }
    }

    /// Calls `heard` with each line of the tool's output, which then tells more.
    pub fn with_output(self, heard: impl Fn(&str) + Send + Sync + 'static) -> ProgressSink {
        ProgressSink { heard: Some(Arc::new(heard)), ..self }
    }

    pub(crate) fn report(&self, progress: &PackageProgress) {
        if let Some(told) = &self.told {
            told(progress);
        }
    }

    pub(super) fn report_stage(&self, stage: PackageStage) {
        self.report(&PackageProgress::of(stage, None));
    }

    pub(super) fn is_active(&self) -> bool {
        self.told.is_some()
    }

    /// Whether all of the tool's output is wanted.
    pub(super) fn is_verbose(&self) -> bool {
        self.heard.is_some()
    }

    pub(super) fn warn(&self, warning: &str) {
        match &self.warned {
            Some(warned) => warned(warning),
            None => tracing::warn!("{warning}"),
        }
    }

    pub(super) fn hear(&self, line: &str) {
        if let Some(heard) = &self.heard {
            heard(line);
        }
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProgressSink").field(&self.is_active()).finish()
    }
}
