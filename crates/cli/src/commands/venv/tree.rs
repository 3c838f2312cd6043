//! `venv tree`: which packages require which, as `uv pip tree` draws it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use beep_python_runtime::environment::PackageDependencies;
use serde_json::{Value, json};

use crate::context::Context;
use crate::environment::environment_for;
use crate::exit_status::ExitStatus;

pub(super) fn tree(context: &Context, name: &str) -> Result<ExitStatus> {
    let environment = environment_for(context, Some(name))?;
    let packages = context.environments()?.dependencies(&environment);
    let json: Value = packages.iter().map(package_json).collect();
    context.printer.result(json, || match packages.is_empty() {
        true => context.printer.line(format_args!("{} has no packages.", environment.name)),
        false => draw(&packages).iter().for_each(|line| context.printer.line(line)),
    });
    Ok(ExitStatus::Success)
}

fn package_json(node: &PackageDependencies) -> Value {
    let required = |dependency: &beep_python_runtime::environment::Dependency| {
        json!({
            "requirement": dependency.requirement,
            "installed": dependency.installed.as_ref().map(|package| &package.version),
        })
    };
    let requires: Value = node.requires.iter().map(required).collect();
    json!({"name": node.package.name, "version": node.package.version, "requires": requires})
}

/// The lines: first the packages that no other one requires, each with what it requires below it.
fn draw(packages: &[PackageDependencies]) -> Vec<String> {
    let required: BTreeSet<&str> = packages
        .iter()
        .flat_map(|node| &node.requires)
        .filter_map(|dependency| Some(dependency.installed.as_ref()?.name.as_str()))
        .collect();
    let mut drawing = Drawing {
        nodes: packages.iter().map(|node| (node.package.name.as_str(), node)).collect(),
        lines: Vec::new(),
        drawn: BTreeSet::new(),
        repeated: false,
    };
    let (inner, roots): (Vec<_>, Vec<_>) =
        packages.iter().partition(|node| required.contains(node.package.name.as_str()));
    // What is left then is required by each other only.
    for node in roots.into_iter().chain(inner) {
        if !drawing.drawn.contains(node.package.name.as_str()) {
            drawing.node(node, "", "");
        }
    }
    if drawing.repeated {
        drawing.lines.push("(*) What it requires is shown above".to_owned());
    }
    drawing.lines
}

struct Drawing<'a> {
    nodes: BTreeMap<&'a str, &'a PackageDependencies>,
    lines: Vec<String>,
    drawn: BTreeSet<&'a str>,
    repeated: bool,
}

impl<'a> Drawing<'a> {
    /// Draws a package; `branch` comes before its line, `below` before those of what it requires.
    fn node(&mut self, node: &'a PackageDependencies, branch: &str, below: &str) {
        let package = &node.package;
        let again = !self.drawn.insert(&package.name) && !node.requires.is_empty();
        self.repeated |= again;
        let mark = if again { " (*)" } else { "" };
        self.lines.push(format!("{branch}{} v{}{mark}", package.name, package.version));
        if again {
            return;
        }
        for (number, dependency) in node.requires.iter().enumerate() {
            let (corner, bar) =
                if number + 1 == node.requires.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
            let found =
                dependency.installed.as_ref().and_then(|package| self.nodes.get(package.name.as_str()).copied());
            match found {
                Some(next) => self.node(next, &format!("{below}{corner}"), &format!("{below}{bar}")),
                None => self.lines.push(format!("{below}{corner}{} (not installed)", dependency.requirement)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use beep_python_runtime::environment::{Dependency, Package};

    use super::*;

    #[test]
    fn circles_end_and_missing_packages_are_told() {
        let package = |name: &str| Package { name: name.into(), version: "1.0".into() };
        let node = |name: &str, requires: &[&str]| PackageDependencies {
            package: package(name),
            requires: requires
                .iter()
                .map(|required| Dependency {
                    requirement: (*required).to_owned(),
                    name: (*required).to_owned(),
                    installed: (*required != "gone").then(|| package(required)),
                })
                .collect(),
        };
        let packages = [
            node("a", &["b", "c"]),
            node("b", &["c", "gone"]),
            node("c", &["b"]),
            node("x", &["y"]),
            node("y", &["x"]),
        ];
        let expected = [
            "a v1.0",
            "├── b v1.0",
            "│   ├── c v1.0",
            "│   │   └── b v1.0 (*)",
            "│   └── gone (not installed)",
            "└── c v1.0 (*)",
            "x v1.0",
            "└── y v1.0",
            "    └── x v1.0 (*)",
            "(*) What it requires is shown above",
        ];
        assert_eq!(draw(&packages), expected);
    }
}
