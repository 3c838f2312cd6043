//! What an installation is about at the moment, as data.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// What an installation is about at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageProgress {
    /// What is being done.
    pub stage: PackageStage,
    /// To which package, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// How many bytes of it were received, where the tool tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_bytes: Option<u64>,
    /// How many bytes it has, as exactly as the tool says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageStage {
    /// Somebody else changes the packages of the same environment.
    Waiting,
    /// Which packages in which versions are needed is found out.
    Resolving,
    /// A package is downloaded.
    Downloading,
    /// A package is built from its sources.
    Building,
    /// Files are put into the environment.
    Installing,
}

impl PackageProgress {
    pub(super) fn of(stage: PackageStage, package: Option<&str>) -> PackageProgress {
        PackageProgress { stage, package: package.map(str::to_owned), received_bytes: None, total_bytes: None }
    }
}

/// As a person would say it: `downloading numpy`.
impl fmt::Display for PackageProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.stage, &self.package) {
            (PackageStage::Waiting, _) => f.write_str("waiting for another process that changes the packages"),
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

/// Who is told of the progress, if anybody is.
#[derive(Clone, Default)]
pub struct ProgressSink(Option<Arc<ProgressFn>>);

type ProgressFn = dyn Fn(&PackageProgress) + Send + Sync;

impl ProgressSink {
    /// Called on the thread that installs, which waits for it.
    pub fn new(told: impl Fn(&PackageProgress) + Send + Sync + 'static) -> ProgressSink {
        ProgressSink(Some(Arc::new(told)))
    }

    pub(crate) fn report(&self, progress: &PackageProgress) {
        if let Some(told) = &self.0 {
            told(progress);
        }
    }

    pub(super) fn report_stage(&self, stage: PackageStage) {
        self.report(&PackageProgress::of(stage, None));
    }

    pub(super) fn is_active(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProgressSink").field(&self.is_active()).finish()
    }
}
