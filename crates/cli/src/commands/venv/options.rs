//! Options for installing packages, as uv has them.

use beep_python_runtime::environment::InstallOptions;

use crate::context::Context;
use crate::progress::packages::{PackagesProgress, Tell};

/// Where packages come from, and how much is told.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SourceArgs {
    /// Install again what is installed
    #[arg(long, visible_alias = "force-reinstall")]
    reinstall: bool,
    /// A file of versions that packages must have, or its URL; repeatable
    #[arg(short, long = "constraints", alias = "constraint", value_name = "FILE")]
    constraints: Vec<String>,
    /// The package index, instead of the configured one
    #[arg(short, long, visible_alias = "default-index", value_name = "URL")]
    index_url: Option<String>,
    /// A further package index; repeatable
    #[arg(long = "extra-index-url", visible_alias = "index", value_name = "URL")]
    extra_index_urls: Vec<String>,
    /// A folder, page or file with packages or links to them; repeatable
    #[arg(short, long, value_name = "PATH|URL")]
    find_links: Vec<String>,
    /// Use no index, only --find-links
    #[arg(long)]
    no_index: bool,
    /// Build this package from source; `:all:` means all; repeatable
    #[arg(long, value_name = "PKG")]
    no_binary: Vec<String>,
    /// Never build this package from source; `:all:` means all; repeatable
    #[arg(long, value_name = "PKG")]
    only_binary: Vec<String>,
    /// Build with the packages of the environment
    #[arg(long)]
    no_build_isolation: bool,
    #[command(flatten)]
    pub(crate) tell: TellArgs,
}

/// How much is told.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TellArgs {
    /// Print errors only
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print what uv or pip print
    #[arg(short, long)]
    verbose: bool,
}

/// Which versions are installed.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct InstallArgs {
    /// Take the newest versions that are allowed, of dependencies too
    #[arg(short = 'U', long)]
    upgrade: bool,
    /// Take the newest version of this package only; needs uv; repeatable
    #[arg(short = 'P', long = "upgrade-package", value_name = "PKG")]
    upgrade_packages: Vec<String>,
    /// Install this package again; needs uv; repeatable
    #[arg(long = "reinstall-package", value_name = "PKG")]
    reinstall_packages: Vec<String>,
    /// Install no dependencies
    #[arg(long)]
    no_deps: bool,
    /// Accept pre-releases
    #[arg(long)]
    pre: bool,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
}

impl SourceArgs {
    pub(crate) fn options(&self) -> InstallOptions {
        InstallOptions {
            reinstall: self.reinstall,
            constraints: self.constraints.clone(),
            index_url: self.index_url.clone(),
            extra_index_urls: self.extra_index_urls.clone(),
            find_links: self.find_links.clone(),
            no_index: self.no_index,
            no_binary: self.no_binary.clone(),
            only_binary: self.only_binary.clone(),
            no_build_isolation: self.no_build_isolation,
            ..InstallOptions::default()
        }
    }
}

impl InstallArgs {
    pub(crate) fn options(&self) -> InstallOptions {
        InstallOptions {
            upgrade: self.upgrade,
            upgrade_packages: self.upgrade_packages.clone(),
            reinstall_packages: self.reinstall_packages.clone(),
            no_deps: self.no_deps,
            prereleases: self.pre,
            ..self.source.options()
        }
    }
}

impl TellArgs {
    pub(crate) fn progress(&self, context: &Context) -> PackagesProgress {
        PackagesProgress::telling(
            match (self.quiet, self.verbose) {
                (true, _) => Tell::Errors,
                (false, true) => Tell::All,
                (false, false) => Tell::Steps,
            },
            context.printer.colors.stderr,
        )
    }
}
